// Host memory: how much a piece of work takes at its peak, and big blocks kept for the next call.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace torchsight {

/// Counts the bytes that a piece of work holds, and the most it ever held. Blocks that outlive the
/// work keep their meter alive.
class MemoryMeter {
 public:
  void add(int64_t bytes) noexcept;
  void remove(int64_t bytes) noexcept { live_.fetch_sub(bytes, std::memory_order_relaxed); }
  int64_t live() const noexcept { return live_.load(std::memory_order_relaxed); }
  int64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> live_{0};
  std::atomic<int64_t> peak_{0};
};

/// Charges what this thread allocates to `meter` while it lives.
class MeterScope {
 public:
  explicit MeterScope(std::shared_ptr<MemoryMeter> meter);
  ~MeterScope();
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  std::shared_ptr<MemoryMeter> previous_;
};

struct MemoryStats {
  int64_t live = 0;    // bytes of all tensors on the host
  int64_t peak = 0;    // the most there ever were
  int64_t cached = 0;  // bytes of freed blocks that are kept
};

/// Makes libtorch allocate host memory through this file. Idempotent; call it before any tensor is
/// made, since the system's allocator keeps what it gave.
void install_allocator();

MemoryStats memory_stats() noexcept;

/// Bytes of physical memory of this machine; 0 where the system does not say.
int64_t host_memory() noexcept;

/// Gives the kept blocks back to the system.
void empty_cache() noexcept;

/// While one lives, more blocks are kept: a step of training frees in its backward pass what its
/// forward pass held, and the next step wants all of it again. At most a quarter of this machine's
/// memory; what is too much without one is given back at the end of the last.
class RoomForTraining {
 public:
  RoomForTraining();
  ~RoomForTraining();
  RoomForTraining(const RoomForTraining&) = delete;
  RoomForTraining& operator=(const RoomForTraining&) = delete;
};

}  // namespace torchsight
