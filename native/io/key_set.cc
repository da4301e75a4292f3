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
  return place(key, hash(key));
}

bool KeySet::place(std::string_view key, uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  size_t slot = (hash ^ hash >> 29) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (keys_[slots_[slot] - 1] == key) return false;
  }
  keys_.push_back(key);
  slots_[slot] = static_cast<uint32_t>(keys_.size());
  return true;
}

void KeySet::grow() {
  std::vector<std::string_view> keys = std::move(keys_);
  keys_.clear();
  keys_.reserve(keys.size() + 1);
  slots_.assign(slots_.size() * 2, 0);
  for (const std::string_view key : keys) place(key, hash(key));
}

}  // namespace torchsight
