// What is said of devices where there is no card, and the figures of the CPU.
#include "runtime/accelerator.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <doctest/doctest.h>

#include <future>

#include "nn/float8_linear.h"
#include "runtime/cuda_parts.h"
#include "runtime/driver.h"
#include "runtime/lane.h"
#include "runtime/loader.h"

using namespace torchsight;

namespace {

Error failure(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    return current_error();
  }
  FAIL("nothing was thrown");
  return {ErrorCode::kInternal, ""};
}

bool has_card() {
  return !accelerators().empty();
}

struct Watcher final : JobObserver {
  std::promise<std::optional<Error>> end;
  void finished(std::optional<Error> error, const JobStats&) override {
    end.set_value(std::move(error));
  }
};

std::optional<Error> run_on(at::Device device, std::function<void(JobContext&)> work,
                            bool repeatable = false) {
  auto watcher = std::make_shared<Watcher>();
  JobSpec spec;
  spec.work = std::move(work);
  spec.observer = watcher;
  spec.repeatable = repeatable;
  Lane::of(device).submit(std::move(spec));
  return watcher->end.get_future().get();
}

}  // namespace

TEST_CASE("devices have names") {
  CHECK(device_from_name("cpu") == at::kCPU);
  CHECK(device_from_name("cuda:3") == at::Device(at::kCUDA, 3));
  for (const char* name : {"gpu", "cuda:", "cuda:x", ""}) {
    CHECK(failure([&] { device_from_name(name); }).code() == ErrorCode::kBadInput);
  }
  CHECK(require_device(at::kCPU) == at::kCPU);
  CHECK(require_device(at::kMeta) == at::kMeta);
}

TEST_CASE("a device that is not there is UNSUPPORTED, with a reason") {
  const Error far = failure([] { require_device(at::Device(at::kCUDA, 99)); });
  CHECK(far.code() == ErrorCode::kUnsupported);
  CHECK_FALSE(far.reason().empty());
  if (has_card()) return;
  const Error error = failure([] { require_device(at::kCUDA); });
  CHECK(error.code() == ErrorCode::kUnsupported);
  // A libtorch without CUDA, or a machine without a driver or a card.
  const bool parts = at::getAccelerator() == at::kCUDA;
  CHECK((error.reason() == "NO_GPU_PARTS") == !parts);
  CHECK(run_on(at::kCUDA, [](JobContext&) {})->code() == ErrorCode::kUnsupported);
}

TEST_CASE("ranks have a card each") {
  CHECK(device_of_rank(at::kCPU, 1, 2) == at::kCPU);
  const at::Device one(at::kCUDA, 1);
  CHECK(failure([&] { device_of_rank(one, 0, 2); }).code() == ErrorCode::kBadInput);
  CHECK(failure([] { device_of_rank(at::kCUDA, 0, 99); }).code() == ErrorCode::kUnsupported);
  CHECK(device_of_process(at::kCPU, 3) == at::kCPU);
  if (has_card()) return;
  CHECK(failure([] { device_of_process(at::kCUDA, 3); }).code() == ErrorCode::kUnsupported);
}

TEST_CASE("why there is no card, and what to do") {
  const auto reason = [](Driver driver) {
    const Error error = no_card("cuda:0", driver);
    CHECK(error.code() == ErrorCode::kUnsupported);
    CHECK(std::string(error.what()).find("cuda:0") != std::string::npos);
    return error.reason();
  };
  CHECK(reason({}) == "NO_DRIVER");
  CHECK(reason({.found = true, .version = 12080, .needed = 13000}) == "OLD_DRIVER");
  CHECK(reason({true, 803, 13000, 13000, ""}) == "DRIVER_MISMATCH");
  CHECK(reason({true, 802, 13000, 13000, ""}) == "DRIVER_NOT_READY");
  CHECK(reason({true, 999, 13000, 13000, ""}) == "DRIVER_FAILED");
  CHECK(reason({true, 100, 13000, 13000, ""}) == "NO_CARD");
  // Newer drivers run older libraries, and minors of one major each other's.
  CHECK(reason({true, 0, 13000, 12060, ""}) == "NO_CARD");
  CHECK(reason({true, 0, 13000, 13020, ""}) == "NO_CARD");
  const Error hidden = no_card("cuda", {true, 100, 13000, 13000, "7"});
  CHECK(std::string(hidden.what()).find("CUDA_VISIBLE_DEVICES is 7") != std::string::npos);
}

TEST_CASE("a model that is too large for a card is refused before it is read") {
  const at::Device card(at::kCUDA, 0);
  constexpr int64_t kGiB = 1 << 30;
  const DeviceMemory memory{2 * kGiB, 5 * kGiB, 5 * kGiB, 10 * kGiB, 16 * kGiB};
  check_fits(13 * kGiB, card, memory);  // 10 free, 3 reserved for nothing
  const Error error = failure([&] { check_fits(13 * kGiB + 1, card, memory); });
  CHECK(error.code() == ErrorCode::kOutOfMemory);
  CHECK(error.reason() == "DEVICE_TOO_SMALL");
  CHECK(std::string(error.what()).find("13.0 GiB free of 16.0 GiB") != std::string::npos);
  check_fits(int64_t{1} << 60, at::kCPU, memory);
  check_fits(int64_t{1} << 60, card, {});  // a libtorch that does not tell
}

TEST_CASE("memory of the CPU by the same figures as a card's") {
  install_allocator();
  const DeviceMemory before = device_memory(at::kCPU);
  {
    const at::Tensor held = at::empty({1 << 22}, at::kFloat);
    const DeviceMemory during = device_memory(at::kCPU);
    CHECK(during.allocated == before.allocated + (1 << 24));
    CHECK(during.reserved >= during.allocated);
    CHECK(during.peak >= during.allocated);
    CHECK(during.total == host_memory());
  }
  empty_cache(at::kCPU);
  const DeviceMemory after = device_memory(at::kCPU);
  CHECK(after.allocated == before.allocated);
  CHECK(after.reserved == after.allocated);
}

TEST_CASE("what leaves a process without its device says so") {
  const auto thrown = [](int code) {
    return failure([code] { throw c10::AcceleratorError({"f", "file", 1}, code, "CUDA error"); });
  };
  for (const int code : {214, 700, 710, 719}) {
    CHECK(thrown(code).code() == ErrorCode::kLibtorch);
    CHECK(thrown(code).reason() == kDeviceLostReason);
  }
  CHECK(thrown(209).code() == ErrorCode::kUnsupported);
  CHECK(thrown(1).reason() == "ACCELERATOR_ERROR");
  const Error memory = failure([] {
    throw c10::AcceleratorError({"f", "file", 1}, 2, "CUDA error: out of memory");
  });
  CHECK(memory.code() == ErrorCode::kOutOfMemory);
  CHECK(failure([] { TORCH_CHECK(false, "CUBLAS_STATUS_ALLOC_FAILED when calling"); }).code() ==
        ErrorCode::kOutOfMemory);
}

TEST_CASE("work without memory for it is repeated once, where it can be") {
  const auto exhausted = [](int& runs, int failures) {
    return [&runs, failures](JobContext&) {
      if (++runs <= failures) TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory");
    };
  };
  int runs = 0;
  CHECK_FALSE(run_on(at::kCPU, exhausted(runs, 1), /*repeatable=*/true).has_value());
  CHECK(runs == 2);
  runs = 0;
  CHECK(run_on(at::kCPU, exhausted(runs, 2), true)->code() == ErrorCode::kOutOfMemory);
  CHECK(runs == 2);
  runs = 0;
  CHECK(run_on(at::kCPU, exhausted(runs, 1), false)->code() == ErrorCode::kOutOfMemory);
  CHECK(runs == 1);
  runs = 0;
  const auto streamed = [&runs](JobContext& context) {
    ++runs;
    context.emit({});
    TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory");
  };
  CHECK(run_on(at::kCPU, streamed, true)->code() == ErrorCode::kOutOfMemory);
  CHECK(runs == 1);  // an item must not come twice
}

TEST_CASE("a model for a card that is not there is refused") {
  if (has_card()) return;
  Json config(Json::Object{{"model_type", "torchsight_diagnostics"}});
  Json request(Json::Object{{"config", config}, {"seed", 1}, {"device", "cuda"}});
  JobContext context;
  CHECK(failure([&] { load_here(LoadRequest(request), context); }).code() ==
        ErrorCode::kUnsupported);
  request.set("device", "cpu").set("extra", Json(Json::Object{{"graph", true}}));
  CHECK(failure([&] { load_here(LoadRequest(request), context); }).code() ==
        ErrorCode::kUnsupported);
}
