#include "runtime/memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#ifdef _WIN32
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace torchsight {
namespace {

// In front of the data of every block. As wide as the alignment, so that the data keeps it.
struct alignas(64) Header {
  int64_t requested;
  size_t block;  // bytes of the whole block
  void* begin;   // as the C library gave it
  std::shared_ptr<MemoryMeter> meter;
};

constexpr size_t kAlignment = alignof(Header);
// Smaller blocks are the business of the C library, which keeps them at hand. Larger ones are kept
// here: it would merge and split them again, or give them back and fault every page in anew. At
// most `kCacheLimit` bytes of them but in training, each at most a quarter of all.
constexpr size_t kKeepFrom = size_t{1} << 12;
constexpr size_t kCacheLimit = size_t{1} << 29;
constexpr size_t kLarge = size_t{1} << 20;
constexpr size_t kHugePage = size_t{1} << 21;

thread_local std::shared_ptr<MemoryMeter> current_meter;

struct {
  std::mutex mutex;
  int holders = 0;
} room;

MemoryMeter& process_meter() {
  static auto* meter = new MemoryMeter;  // blocks may be freed during static destruction
  return *meter;
}

void* aligned(size_t alignment, size_t bytes) {
#ifdef _WIN32
  return _aligned_malloc(bytes, alignment);
#else
  void* block = nullptr;
  return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
#endif
}

void release(void* block) {
#ifdef _WIN32
  _aligned_free(block);
#else
  std::free(block);
#endif
}

// Freed blocks by size.
class BlockCache {
 public:
  /// A kept block of at least `bytes` and not much more, or null. Sets `bytes` to its size.
  void* take(size_t& bytes) {
    std::lock_guard lock(mutex_);
    const size_t most = bytes + bytes / 8;
    for (auto it = blocks_.lower_bound(bytes); it != blocks_.end() && it->first <= most; ++it) {
      if (it->second.empty()) continue;
      void* block = it->second.back();
      it->second.pop_back();
      bytes = it->first;
      cached_ -= bytes;
      return block;
    }
    return nullptr;
  }

  bool keep(void* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    if (bytes > limit_ / 4 || cached_ + bytes > limit_) return false;
    blocks_[bytes].push_back(block);
    cached_ += bytes;
    return true;
  }

  /// Keeps at most `bytes` from now on. Gives everything back where there is more than that.
  void set_limit(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      limit_ = bytes;
      if (cached_ <= limit_) return;
    }
    clear();
  }

  void clear() {
    std::map<size_t, std::vector<void*>> blocks;
    {
      std::lock_guard lock(mutex_);
      blocks.swap(blocks_);
      cached_ = 0;
    }
    for (const auto& [bytes, same] : blocks) {
      for (void* block : same) release(block);
    }
  }

  int64_t cached() {
    std::lock_guard lock(mutex_);
    return static_cast<int64_t>(cached_);
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> blocks_;
  size_t cached_ = 0;
  size_t limit_ = kCacheLimit;
};

BlockCache& cache() {
  static auto* cache = new BlockCache;
  return *cache;
}

// What sizes are rounded up to a multiple of, so that freed blocks fit again.
size_t unit_of(size_t bytes) {
  if (bytes >= 4 * kHugePage) return kHugePage;
  return bytes >= kLarge ? size_t{1} << 16 : std::bit_floor(bytes) / 8;
}

// A block for `bytes` of header and data, set to what it really has; `begin` is where it starts.
void* obtain(size_t& bytes, void*& begin) {
  if (bytes < kKeepFrom) {
    // Unlike aligned_alloc, malloc has blocks of these sizes at hand.
    size_t room = bytes + kAlignment;
    begin = std::malloc(room);
    void* memory = begin;
    return begin ? std::align(kAlignment, bytes, memory, room) : nullptr;
  }
  const size_t unit = unit_of(bytes);
  bytes = (bytes + unit - 1) / unit * unit;
  begin = cache().take(bytes);
  if (begin) return begin;
  begin = aligned(bytes < kLarge ? kAlignment : unit, bytes);
#ifdef __linux__
  if (begin && unit == kHugePage) madvise(begin, bytes, MADV_HUGEPAGE);
#endif
  return begin;
}

void give_back(void* begin, size_t bytes) {
  if (bytes < kKeepFrom) {
    std::free(begin);
  } else if (!cache().keep(begin, bytes)) {
    release(begin);
  }
}

// Takes the data of a block, which is also its context: libtorch's kernels free scratch memory so.
void free_data(void* data) {
  if (!data) return;
  void* memory = static_cast<char*>(data) - sizeof(Header);
  auto* header = static_cast<Header*>(memory);
  const size_t block = header->block;
  void* begin = header->begin;
  process_meter().remove(header->requested);
  if (header->meter) header->meter->remove(header->requested);
  header->~Header();
  give_back(begin, block);
}

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t n) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (n == 0) return {nullptr, cpu};
    // Sizes from hostile shapes must not wrap.
    TORCH_CHECK_WITH(OutOfMemoryError, n <= SIZE_MAX / 2, "out of memory: ", n, " bytes asked for");
    size_t block = n + sizeof(Header);
    void* begin = nullptr;
    void* memory = obtain(block, begin);
    if (!memory) {
      cache().clear();
      memory = obtain(block, begin);
    }
    TORCH_CHECK_WITH(OutOfMemoryError, memory, "out of memory: ", n, " bytes asked for");
    const auto bytes = static_cast<int64_t>(n);
    process_meter().add(bytes);
    if (current_meter) current_meter->add(bytes);
    new (memory) Header{bytes, block, begin, current_meter};
    void* data = static_cast<char*>(memory) + sizeof(Header);
    return {data, data, &free_data, cpu};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &free_data; }

  void copy_data(void* destination, const void* source, size_t count) const override {
    default_copy_data(destination, source, count);
  }
};

}  // namespace

void MemoryMeter::add(int64_t bytes) noexcept {
  const int64_t live = live_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (live > peak && !peak_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

MeterScope::MeterScope(std::shared_ptr<MemoryMeter> meter)
    : previous_(std::exchange(current_meter, std::move(meter))) {}

MeterScope::~MeterScope() {
  current_meter = std::move(previous_);
}

void install_allocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    static auto* allocator = new Allocator;
    c10::SetCPUAllocator(allocator, /*priority=*/1);
  });
}

MemoryStats memory_stats() noexcept {
  return {process_meter().live(), process_meter().peak(), cache().cached()};
}

int64_t host_memory() noexcept {
#ifdef _WIN32
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? static_cast<int64_t>(status.ullTotalPhys) : 0;
#else
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? int64_t{pages} * page : 0;
#endif
}

void empty_cache() noexcept {
  cache().clear();
}

RoomForTraining::RoomForTraining() {
  const auto quarter = static_cast<size_t>(host_memory() / 4);
  std::lock_guard lock(room.mutex);
  if (room.holders++ == 0) cache().set_limit(std::max(kCacheLimit, quarter));
}

RoomForTraining::~RoomForTraining() {
  std::lock_guard lock(room.mutex);
  if (--room.holders == 0) cache().set_limit(kCacheLimit);
}

}  // namespace torchsight
