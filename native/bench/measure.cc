#include "bench/measure.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "io/json.h"
#include "runtime/accelerator.h"

namespace torchsight::bench {
namespace {

constexpr int kTriplets = 5;
constexpr double kDrift = 0.1;

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

Product::Product(at::Device device, at::ScalarType dtype) {
  const int64_t side = is_accelerator(device) ? 8192 : 512;
  const auto numbers = at::TensorOptions().device(device).dtype(dtype);
  a_ = at::rand({side, side}, numbers);
  b_ = at::rand({side, side}, numbers);
  c_ = at::empty({side, side}, numbers);
}

double Product::rate(double seconds) const {
  const double side = static_cast<double>(a_.size(0));
  const auto multiply = [this] { at::mm_out(c_, a_, b_); };
  return 2 * side * side * side / time_of(multiply, a_.device(), seconds);
}

double time_of(const std::function<void()>& work, at::Device device, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto run = [&](int64_t times) {
    synchronize(device);
    const auto begin = Clock::now();
    for (int64_t i = 0; i < times; ++i) work();
    synchronize(device);
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const double once = run(1);
  const auto times = static_cast<int64_t>(std::clamp(seconds / once, 1.0, 1e4));
  return run(times) / static_cast<double>(times);
}

void measure(Row& row, const std::function<void()>& work, const Product& product, at::Device device,
             double seconds) {
  work();  // chooses kernels and takes memory
  synchronize(device);
  if (is_accelerator(device)) reset_peak(device);
  struct Triplet {
    double seconds, product;
  };
  std::vector<Triplet> all, steady;
  for (int i = 0; i < kTriplets; ++i) {
    const double before = product.rate(seconds / 4);
    const double took = time_of(work, device, seconds);
    const double after = product.rate(seconds / 4);
    all.push_back({took, (before + after) / 2});
    if (std::abs(before - after) <= kDrift * std::max(before, after)) steady.push_back(all.back());
  }
  if (steady.empty()) {
    row.note = "the device's speed drifts";
    steady = all;
  }
  std::sort(steady.begin(), steady.end(), [](const Triplet& a, const Triplet& b) {
    return a.seconds * a.product < b.seconds * b.product;
  });
  row.seconds = steady[steady.size() / 2].seconds;
  row.product = steady[steady.size() / 2].product;
  row.peak_bytes = device_memory(device).peak;
}

std::string table(const std::vector<Row>& rows) {
  std::string text =
      "| weights | batch | graph | ms | images/s | TFLOP/s | of `mm` | `mm` TFLOP/s | GiB | |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += "| " + row.weights + " | " + std::to_string(row.batch) + " | " +
            (row.graph ? "yes" : "no") + " | ";
    if (row.seconds > 0) {
      text += fixed(row.seconds * 1e3, 2) + " | " + fixed(row.images_per_second(), 1) + " | " +
              fixed(row.rate() / 1e12, 2) + " | " + fixed(row.rate() / row.product, 3) + " | " +
              fixed(row.product / 1e12, 2) + " | " +
              fixed(static_cast<double>(row.peak_bytes) / (1 << 30), 2);
    } else {
      text += "| | | | | ";
    }
    text += " | " + row.note + " |\n";
  }
  return text;
}

std::string line(const Row& row) {
  Json json(Json::Object{{"weights", row.weights}, {"batch", row.batch}, {"graph", row.graph}});
  if (row.seconds > 0) {
    json.set("seconds", row.seconds)
        .set("imagesPerSecond", row.images_per_second())
        .set("operationsPerSecond", row.rate())
        .set("ofProduct", row.rate() / row.product)
        .set("productPerSecond", row.product)
        .set("peakBytes", row.peak_bytes);
  }
  json.set("note", row.note);
  return json.dump() + "\n";
}

}  // namespace torchsight::bench
