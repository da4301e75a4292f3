// Which freed blocks are kept.
#include "runtime/memory.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <vector>

using namespace torchsight;

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// Holds `count` blocks of `bytes` each at once, whose pages nobody touches, and frees them.
void hold(int64_t count, int64_t bytes) {
  std::vector<at::Tensor> blocks;
  for (int64_t i = 0; i < count; ++i) blocks.push_back(at::empty({bytes}, at::kByte));
}

}  // namespace

TEST_CASE("memory: what is freed is kept up to a limit, and more of it in training") {
  install_allocator();
  empty_cache();
  hold(10, 100 * kMiB);
  const int64_t usual = memory_stats().cached;
  CHECK(usual >= 400 * kMiB);
  CHECK(usual <= 512 * kMiB);
  if (host_memory() < int64_t{8} << 30) return;
  {
    const RoomForTraining room;
    const RoomForTraining another;
    hold(10, 100 * kMiB);
    CHECK(memory_stats().cached >= 1000 * kMiB);
  }
  CHECK(memory_stats().cached <= 512 * kMiB);
  empty_cache();
  CHECK(memory_stats().cached == 0);
}
