// Finds the first repeated key of an object, in linear time whoever chose the keys.
#pragma once

#include <cstdint>
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

 private:
  uint64_t hash(std::string_view key) const noexcept;
  bool place(std::string_view key, uint64_t hash);
  void grow();

  uint64_t base_[2];
  std::vector<std::string_view> keys_;
  std::vector<uint32_t> slots_;  // index into keys_ plus one; 0 is empty
};

}  // namespace torchsight
