#include "runtime/borrow.h"

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "runtime/error.h"

namespace torchsight {
namespace {

struct Users {
  int readers = 0;
  int writers = 0;
  int& of(bool writes) { return writes ? writers : readers; }
  bool conflicts(bool writes) const { return writers > 0 || (writes && readers > 0); }
};

struct Table {
  std::mutex mutex;
  std::unordered_map<const c10::StorageImpl*, Users> users;
  std::atomic<size_t> size{0};
};

Table& table() {
  static auto* table = new Table;
  return *table;
}

const c10::StorageImpl* storage_of(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage()) return nullptr;
  return tensor.storage().unsafeGetStorageImpl();
}

[[noreturn]] void throw_busy(bool writes) {
  throw Error(ErrorCode::kTensorBusy, writes ? "the tensor cannot change while a job uses it"
                                             : "the tensor cannot be read while a job changes it");
}

}  // namespace

Borrow::Borrow(const std::vector<at::Tensor>& read, const std::vector<at::Tensor>& written) {
  Table& all = table();
  std::unique_lock lock(all.mutex);
  // What this borrow holds itself is not in its own way: an in-place operator may read its target.
  std::unordered_map<const c10::StorageImpl*, Users> wanted;
  for (bool writes : {true, false}) {
    for (const at::Tensor& tensor : writes ? written : read) {
      const auto* storage = storage_of(tensor);
      if (!storage) continue;
      Users& mine = wanted[storage];
      if (mine.readers + mine.writers > 0) continue;
      const auto found = all.users.find(storage);
      if (found != all.users.end() && found->second.conflicts(writes)) throw_busy(writes);
      ++mine.of(writes);
      held_.push_back({tensor.storage(), writes});
    }
  }
  for (const Hold& hold : held_) ++all.users[hold.storage.unsafeGetStorageImpl()].of(hold.writes);
  all.size = all.users.size();
}

Borrow& Borrow::operator=(Borrow&& other) noexcept {
  if (this != &other) {
    release();
    held_ = std::exchange(other.held_, {});
  }
  return *this;
}

void Borrow::release() noexcept {
  if (held_.empty()) return;
  Table& all = table();
  {
    std::lock_guard lock(all.mutex);
    for (const Hold& hold : held_) {
      auto found = all.users.find(hold.storage.unsafeGetStorageImpl());
      --found->second.of(hold.writes);
      if (found->second.readers + found->second.writers == 0) all.users.erase(found);
    }
    all.size = all.users.size();
  }
  held_.clear();
}

void check_free(const at::Tensor& tensor, bool writes) {
  Table& all = table();
  if (all.size.load(std::memory_order_acquire) == 0) return;
  const auto* storage = storage_of(tensor);
  std::lock_guard lock(all.mutex);
  const auto found = all.users.find(storage);
  if (found != all.users.end() && found->second.conflicts(writes)) throw_busy(writes);
}

}  // namespace torchsight
