#include "io/key_set.h"

#include <random>

namespace torchsight {
namespace {

constexpr uint64_t kPrime = (uint64_t{1} << 31) - 1;
constexpr size_t kFirstSlots = 16;

uint64_t random_base() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_int_distribution<uint64_t>(1U << 24, kPrime - 1)(engine);
}

}  // namespace

KeySet::KeySet() : base_{random_base(), random_base()}, slots_(kFirstSlots, 0) {}

uint64_t KeySet::hash(std::string_view key) const noexcept {
  uint64_t low = key.size() % kPrime, high = low;
  size_t at = 0;
  while (at < key.size()) {
    uint64_t chunk = 0;  // three bytes stay below the prime
    for (int i = 0; i < 3 && at < key.size(); ++i, ++at) {
      chunk = chunk << 8 | static_cast<unsigned char>(key[at]);
    }
    low = (low * base_[0] + chunk) % kPrime;
    high = (high * base_[1] + chunk) % kPrime;
  }
  return low << 31 | high;
}

bool KeySet::insert(std::string_view key) {
  if (2 * (keys_.size() + 1) > slots_.size()) grow();
  const size_t slot = slot_of(key);
  if (slots_[slot] != 0) return false;
  keys_.push_back(key);
  slots_[slot] = static_cast<uint32_t>(keys_.size());
  return true;
}

size_t KeySet::find(std::string_view key) const noexcept {
  const uint32_t found = slots_[slot_of(key)];
  return found == 0 ? kAbsent : found - 1;
}

size_t KeySet::slot_of(std::string_view key) const noexcept {
  const size_t mask = slots_.size() - 1;
  const uint64_t hashed = hash(key);
  size_t slot = (hashed ^ hashed >> 29) & mask;
  while (slots_[slot] != 0 && keys_[slots_[slot] - 1] != key) slot = (slot + 1) & mask;
  return slot;
}

void KeySet::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (size_t i = 0; i < keys_.size(); ++i) {
    slots_[slot_of(keys_[i])] = static_cast<uint32_t>(i + 1);
  }
}

}  // namespace torchsight
