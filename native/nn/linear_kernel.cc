#include "nn/linear_kernel.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include "nn/blocked_linear.h"
#include "nn/linear.h"
#include "runtime/steady.h"

namespace torchsight {
namespace {

constexpr int64_t kMinRows = 8;  // below this, memory is the bound and layout is moot
// Enough for kernels to reach their full speed. Below it rows are counted exactly: a kernel that is
// best for 576 of them can be the slowest for 577.
constexpr int64_t kMaxRows = 1024;
constexpr int64_t kMinWeights = 1 << 18;  // smaller products are over before it matters
constexpr int kRounds = 3;
constexpr double kMargin = 0.97;  // what another layout must reach to be worth repacking

// One kernel's run over all shapes, on scratch data.
class Contender {
 public:
  Contender(LinearKernel kernel, int64_t rows, const std::vector<LinearShape>& shapes)
      : kernel_(kernel), shapes_(shapes) {
    for (const LinearShape& shape : shapes) {
      inputs_.push_back(at::full({rows, shape.in}, 0.5f));
      weights_.push_back(pack_weight(at::full({shape.out, shape.in}, 0.01f), kernel, rows));
      biases_.push_back(at::zeros({shape.out}));
    }
  }

  LinearKernel kernel() const { return kernel_; }
  double best() const { return best_; }

  void run() {
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < shapes_.size(); ++i) {
      apply_linear(inputs_[i], weights_[i], kernel_, biases_[i], shapes_[i].activation);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best_ = std::min(best_, took.count());
  }

 private:
  LinearKernel kernel_;
  const std::vector<LinearShape>& shapes_;
  std::vector<at::Tensor> inputs_, weights_, biases_;
  double best_ = std::numeric_limits<double>::infinity();
};

LinearKernel race(int64_t rows, const std::vector<LinearShape>& shapes) {
  std::vector<LinearKernel> kernels{LinearKernel::kPlain, LinearKernel::kTurned};
  if (blocked::available()) kernels.push_back(LinearKernel::kBlocked);
  std::vector<Contender> contenders;
  for (const LinearKernel kernel : kernels) contenders.emplace_back(kernel, rows, shapes);
  // In turns, so that a machine that slows down does so for all.
  for (int round = 0; round < kRounds; ++round) {
    for (Contender& contender : contenders) contender.run();
  }
  const Contender* best = &contenders.front();
  const double bound = best->best() * kMargin;
  for (const Contender& contender : contenders) {
    if (contender.best() < std::min(bound, best->best())) best = &contender;
  }
  return best->kernel();
}

}  // namespace

bool worth_choosing(int64_t rows, int64_t weights, const at::TensorOptions& options) {
  return !Steady::on() && options.device().is_cpu() && options.dtype() == at::kFloat &&
         rows >= kMinRows && weights >= kMinWeights;
}

LinearKernel choose_linear_kernel(int64_t rows, const std::vector<LinearShape>& shapes) {
  rows = std::min(rows, kMaxRows);
  using Entry = std::tuple<int64_t, int64_t, Activation>;
  std::vector<Entry> key{{rows, at::get_num_threads(), Activation::kNone}};
  for (const LinearShape& shape : shapes) key.emplace_back(shape.out, shape.in, shape.activation);

  static std::mutex mutex;
  static std::map<std::vector<Entry>, LinearKernel> results;
  const std::lock_guard lock(mutex);
  const auto known = results.find(key);
  if (known != results.end()) return known->second;
  return results.emplace(std::move(key), race(rows, shapes)).first->second;
}

}  // namespace torchsight
