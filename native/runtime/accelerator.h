// Devices other than the CPU, by way of at::accelerator: without headers of CUDA, and linked
// against nothing of it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace torchsight {

/// Maps the parts of libtorch that drive a GPU, where this libtorch has them and the environment
/// does not set TORCHSIGHT_DEVICE to "cpu". Must come before anything else asks libtorch for a
/// device: it looks for them once. Idempotent.
void map_gpu_parts();

/// The devices that libtorch can compute on beside the CPU. Takes no memory on them.
std::vector<at::Device> accelerators();

bool is_accelerator(at::Device device) noexcept;

/// "cpu", "cuda", "cuda:1", … Throws `Error(kBadInput)` for what names no device.
at::Device device_from_name(const std::string& name);

/// `device` with the index that it stands for, once it is known that libtorch can compute there.
/// Throws `Error(kUnsupported)` that says what is missing: parts of libtorch, a driver, a card.
at::Device require_device(at::Device device);

/// The device of a rank of `ranks` on this host: "cuda" stands for one card each, in their order.
///
/// Throws `Error(kBadInput)` where one card is named for several ranks, and `Error(kUnsupported)`
/// where there are fewer cards than ranks.
at::Device device_of_rank(at::Device device, int64_t rank, int64_t ranks);

/// The device of a process that a launcher started as its `local_rank`th on this machine. "cuda"
/// stands for the card of that number, counted round where fewer are to be seen: some launchers
/// show each process its own card alone. Throws as `require_device`.
at::Device device_of_process(at::Device device, int64_t local_rank);

/// Bytes. `reserved` is what libtorch has taken of the device for tensors, `allocated` the part of
/// it that tensors hold now, and `peak` the most that they ever held.
struct DeviceMemory {
  int64_t allocated = 0;
  int64_t reserved = 0;
  int64_t peak = 0;
  int64_t free = 0;  // of the whole device, all processes counted; 0 where nobody tells
  int64_t total = 0;
};

/// Of this process on `device`, the CPU included. Takes the device into use where it was not yet.
DeviceMemory device_memory(at::Device device);

/// Gives the memory that is reserved and holds nothing back to the device.
void empty_cache(at::Device device);

/// Counts `DeviceMemory::peak` from now on.
void reset_peak(at::Device device);

/// Waits until `device` has done what this thread's stream was given. The CPU never lags behind.
void synchronize(at::Device device);

/// Throws `Error(kOutOfMemory)` where `bytes` of weights cannot fit into what is left of `memory`,
/// that of `device`. Never for the CPU, whose memory the system stretches.
void check_fits(int64_t bytes, at::Device device, const DeviceMemory& memory);

/// `tensor` on `device`. From the host it travels through pinned memory, and nobody waits for it.
at::Tensor onto(const at::Tensor& tensor, at::Device device);

/// Holds a job back that gives its device work faster than that does it. Otherwise a job would end
/// long after its cancel, and others of the device would come in after all of its layers.
class Pace {
 public:
  explicit Pace(at::Device device) : device_(device) {}

  /// After each piece of work, e.g. a layer: waits until the device is at the one before the last.
  void step();

 private:
  at::Device device_;
  std::array<std::optional<c10::Event>, 2> events_;
  size_t next_ = 0;
};

}  // namespace torchsight
