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

KeySet::KeySet() : base_{random_base(), random_base()}, slots_(kFirstSlots) {}

uint32_t KeySet::hash(std::string_view key) const noexcept {
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
  return static_cast<uint32_t>(low ^ high << 1);
}

bool KeySet::insert(std::string_view key) {
  if (2 * (keys_.size() + 1) > slots_.size()) grow();
  const uint32_t hashed = hash(key);
  const size_t slot = slot_of(key, hashed);
  if (slots_[slot].number != 0) return false;
  keys_.push_back(key);
  slots_[slot] = {hashed, static_cast<uint32_t>(keys_.size())};
  return true;
}

size_t KeySet::find(std::string_view key) const noexcept {
  const uint32_t number = slots_[slot_of(key, hash(key))].number;
  return number == 0 ? kAbsent : number - 1;
}

size_t KeySet::slot_of(std::string_view key, uint32_t hashed) const noexcept {
  const size_t mask = slots_.size() - 1;
  size_t slot = hashed & mask;
  const auto other = [&](const Slot& one) {
    return one.number != 0 && (one.hash != hashed || keys_[one.number - 1] != key);
  };
  while (other(slots_[slot])) slot = (slot + 1) & mask;
  return slot;
}

void KeySet::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& one : slots_) {
    if (one.number == 0) continue;
    size_t slot = one.hash & mask;
    while (larger[slot].number != 0) slot = (slot + 1) & mask;
    larger[slot] = one;
  }
  slots_ = std::move(larger);
}

}  // namespace torchsight
