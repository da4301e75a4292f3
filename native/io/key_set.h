// Keys by hash, in linear time whoever chose the keys.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace torchsight {

/// Keys seen so far, as views that the caller keeps alive. Hashed by a polynomial with random
/// bases, so nobody can prepare keys that collide.
class KeySet {
 public:
  KeySet();
  /// False where the key was there before.
  bool insert(std::string_view key);
  /// How many keys were inserted before this one, or `kAbsent`.
  size_t find(std::string_view key) const noexcept;
  static constexpr size_t kAbsent = static_cast<size_t>(-1);

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t number = 0;  // position in keys_ plus one; 0 is empty
  };
  uint32_t hash(std::string_view key) const noexcept;
  /// The slot that holds the key, or the empty one where it belongs.
  size_t slot_of(std::string_view key, uint32_t hash) const noexcept;
  void grow();

  uint64_t base_[2];
  std::deque<std::string_view> keys_;  // grows without moving, so without twice the memory
  std::vector<Slot> slots_;
};

}  // namespace torchsight
