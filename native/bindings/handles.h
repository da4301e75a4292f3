// Tables of things that JavaScript names by plain numbers.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"

namespace torchsight {

/// Entries named by numbers that are never used twice: the slot's index, and above it how often the
/// slot was filled. Belongs to one JavaScript thread.
template <typename T>
class HandleTable {
 public:
  explicit HandleTable(const char* what) : what_(what) {}

  double add(T value) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.push_back({});
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    slot.value = std::move(value);
    slot.live = true;
    ++size_;
    return static_cast<double>(slot.fills) * kSlots + index;
  }

  /// Throws `Error(kDisposed)` for a handle that was freed or never given.
  T& at(double handle) {
    if (T* value = find(handle)) return *value;
    throw Error(ErrorCode::kDisposed, std::string("the ") + what_ + " has been disposed");
  }

  T* find(double handle) noexcept {
    Slot* slot = find_slot(handle);
    return slot ? &slot->value : nullptr;
  }

  /// Frees a handle and returns what it named; an empty value for unknown ones.
  T remove(double handle) {
    Slot* slot = find_slot(handle);
    if (!slot) return {};
    T value = std::exchange(slot->value, T{});
    slot->live = false;
    --size_;
    if (++slot->fills < kFills) free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
    return value;
  }

  void clear() {
    slots_.clear();
    free_.clear();
    size_ = 0;
  }

  size_t size() const noexcept { return size_; }

 private:
  static constexpr double kSlots = 4294967296.0;  // 2^32 slots, and 2^21 fills within a double
  static constexpr uint32_t kFills = 1u << 21;

  struct Slot {
    T value{};
    uint32_t fills = 1;  // 0 is not a handle
    bool live = false;
  };

  Slot* find_slot(double handle) noexcept {
    if (!(handle >= kSlots) || !(handle < kSlots * kFills)) return nullptr;
    const double fills = std::floor(handle / kSlots);
    const double index = handle - fills * kSlots;
    if (index >= static_cast<double>(slots_.size())) return nullptr;
    Slot& slot = slots_[static_cast<size_t>(index)];
    return slot.live && slot.fills == fills ? &slot : nullptr;
  }

  const char* what_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace torchsight
