#include "runtime/accelerator.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include "runtime/cuda_parts.h"
#include "runtime/driver.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace torchsight {
namespace {

constexpr double kGiB = 1 << 30;

std::string gib(int64_t bytes) {
  const std::string text = std::to_string(static_cast<double>(bytes) / kGiB);
  return text.substr(0, text.find('.') + 2) + " GiB";
}

[[noreturn]] void unsupported(const std::string& expected, at::Device device, const char* reason) {
  throw Error(ErrorCode::kUnsupported, "expected " + expected + " but received " + device.str(),
              reason);
}

auto& allocator_of(at::Device device) {
  return *at::getDeviceAllocator(device.type());
}

// Free and total bytes. Libtorch before 2.10 has no such question; `requires` looks for it.
template <typename Allocator>
std::pair<size_t, size_t> memory_of(Allocator& allocator, at::Device device) {
  if constexpr (requires { allocator.getMemoryInfo(device.index()); }) {
    return allocator.getMemoryInfo(device.index());
  } else {
    return {};
  }
}

}  // namespace

std::vector<at::Device> accelerators() {
  std::vector<at::Device> devices;
  const auto type = at::getAccelerator();
  if (!type) return devices;
  for (c10::DeviceIndex i = 0; i < at::accelerator::deviceCount(); ++i)
    devices.emplace_back(*type, i);
  return devices;
}

bool is_accelerator(at::Device device) noexcept {
  return !device.is_cpu() && !device.is_meta();
}

at::Device device_from_name(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const c10::Error&) {
    throw Error(ErrorCode::kBadInput,
                "expected cpu, cuda, cuda:0, … for device but received \"" + name + "\"");
  }
}

at::Device require_device(at::Device device) {
  if (!is_accelerator(device)) return device;
  map_gpu_parts();
  const auto type = at::getAccelerator();
  if (!type) {
    throw Error(ErrorCode::kUnsupported,
                "expected the device cpu but received " + device.str() +
                    ": this libtorch computes on the CPU alone, or TORCHSIGHT_DEVICE keeps it to "
                    "that; `npx torchsight setup --variant cu130` brings one for NVIDIA's cards",
                "NO_GPU_PARTS");
  }
  if (*type != device.type()) {
    unsupported("cpu or " + c10::DeviceTypeName(*type, true) + ", the devices of this libtorch,",
                device, "NO_SUCH_DEVICE");
  }
  const auto count = at::accelerator::deviceCount();
  if (count == 0 && device.is_cuda()) throw no_card(device.str());
  const at::Device found(device.type(), device.has_index() ? device.index() : c10::DeviceIndex{0});
  if (found.index() >= count) {
    unsupported("one of the " + std::to_string(count) + " devices of this machine", device,
                "NO_SUCH_DEVICE");
  }
  return found;
}

at::Device device_of_rank(at::Device device, int64_t rank, int64_t ranks) {
  if (!is_accelerator(device) || ranks == 1) return require_device(device);
  if (device.has_index()) {
    throw Error(ErrorCode::kBadInput, "expected \"" + c10::DeviceTypeName(device.type(), true) +
                                          "\", a card for each of " + std::to_string(ranks) +
                                          " ranks, for device but received " + device.str());
  }
  require_device(device);
  const int64_t count = at::accelerator::deviceCount();
  if (count < ranks) {
    throw Error(ErrorCode::kUnsupported,
                "expected a card for each of " + std::to_string(ranks) + " ranks but this machine" +
                    " has " + std::to_string(count) +
                    ": set tensorParallel times dataParallel to at most that",
                "TOO_FEW_CARDS");
  }
  return {device.type(), static_cast<c10::DeviceIndex>(rank)};
}

at::Device device_of_process(at::Device device, int64_t local_rank) {
  const at::Device first = require_device(device);
  if (!is_accelerator(device) || device.has_index()) return first;
  const int64_t count = at::accelerator::deviceCount();
  return {device.type(), static_cast<c10::DeviceIndex>(local_rank % count)};
}

DeviceMemory device_memory(at::Device device) {
  DeviceMemory memory;
  if (!is_accelerator(device)) {
    const MemoryStats host = memory_stats();
    return {host.live, host.live + host.cached, host.peak, 0, host_memory()};
  }
  device = require_device(device);
  if (allocator_of(device).initialized()) {
    const auto stats = allocator_of(device).getDeviceStats(device.index());
    memory.allocated = stats.allocated_bytes[0].current;  // of small and large blocks together
    memory.reserved = stats.reserved_bytes[0].current;
    memory.peak = stats.allocated_bytes[0].peak;
  }
  const auto [free, total] = memory_of(allocator_of(device), device);
  memory.free = static_cast<int64_t>(free);
  memory.total = static_cast<int64_t>(total);
  return memory;
}

void empty_cache(at::Device device) {
  if (!is_accelerator(device)) return empty_cache();
  require_device(device);
  if (allocator_of(device).initialized()) allocator_of(device).emptyCache();
}

void reset_peak(at::Device device) {
  if (is_accelerator(device)) allocator_of(device).resetPeakStats(require_device(device).index());
}

void synchronize(at::Device device) {
  if (is_accelerator(device)) at::accelerator::getCurrentStream(device.index()).synchronize();
}

void check_fits(int64_t bytes, at::Device device, const DeviceMemory& memory) {
  // What is reserved and holds nothing can be given back.
  const int64_t usable = memory.free + memory.reserved - memory.allocated;
  if (!is_accelerator(device) || memory.total == 0 || bytes <= usable) return;
  throw Error(ErrorCode::kOutOfMemory,
              "expected " + gib(bytes) + " for the model's weights but " + device.str() + " has " +
                  gib(usable) + " free of " + gib(memory.total) +
                  ": load in bfloat16, split the model by tensorParallel, or take a larger card",
              "DEVICE_TOO_SMALL");
}

at::Tensor onto(const at::Tensor& tensor, at::Device device) {
  if (!tensor.is_cpu() || !is_accelerator(device)) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

void Pace::step() {
  if (!is_accelerator(device_)) return;
  std::optional<c10::Event>& event = events_[next_];
  if (event) {
    event->synchronize();
  } else {
    event.emplace(device_.type());
  }
  event->record(at::accelerator::getCurrentStream(device_.index()));
  next_ = (next_ + 1) % events_.size();
}

}  // namespace torchsight
