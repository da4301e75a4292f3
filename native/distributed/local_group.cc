#include <ATen/ATen.h>

#include <condition_variable>
#include <mutex>

#include "distributed/group.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// What the ranks share: a slot each for the tensor that it brings to the collective under way.
class Meeting {
 public:
  explicit Meeting(int64_t size) : slots_(size) {}

  /// Puts `tensor` into the slot of `rank` and returns all slots once every rank has come.
  const std::vector<at::Tensor>& arrive(int64_t rank, const at::Tensor& tensor) {
    slots_[rank] = tensor;
    wait_for_all();
    return slots_;
  }

  /// Holds each rank until all have read the slots.
  void leave() { wait_for_all(); }

  void abort() noexcept {
    std::lock_guard lock(mutex_);
    aborted_ = true;
    changed_.notify_all();
  }

  size_t size() const noexcept { return slots_.size(); }

 private:
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    const uint64_t round = round_;
    if (++arrived_ == slots_.size()) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || aborted_; });
    if (round_ == round) throw Error(ErrorCode::kRankFailed, "a rank of the local group failed");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<at::Tensor> slots_;
  size_t arrived_ = 0;
  uint64_t round_ = 0;
  bool aborted_ = false;
};

class LocalGroup final : public Group {
 public:
  LocalGroup(std::shared_ptr<Meeting> meeting, int64_t rank)
      : meeting_(std::move(meeting)), rank_(rank) {}

  int64_t rank() const noexcept override { return rank_; }
  int64_t size() const noexcept override { return static_cast<int64_t>(meeting_->size()); }

  at::Tensor all_gather(const at::Tensor& local) override {
    at::Tensor result = at::cat(meeting_->arrive(rank_, local), 0);
    meeting_->leave();
    return result;
  }

  at::Tensor reduce_scatter(const at::Tensor& full) override {
    const auto& parts = meeting_->arrive(rank_, full);
    const int64_t rows = full.size(0) / size();
    at::Tensor sum = parts[0].narrow(0, rank_ * rows, rows).clone();
    for (int64_t r = 1; r < size(); ++r) sum.add_(parts[r].narrow(0, rank_ * rows, rows));
    meeting_->leave();
    return sum;
  }

  void all_reduce(at::Tensor& tensor) override {
    const auto& parts = meeting_->arrive(rank_, tensor);
    at::Tensor sum = parts[0].clone();
    for (int64_t r = 1; r < size(); ++r) sum.add_(parts[r]);
    meeting_->leave();
    tensor.copy_(sum);
  }

  void broadcast(at::Tensor& tensor, int64_t root) override {
    const auto& parts = meeting_->arrive(rank_, tensor);
    if (rank_ != root) tensor.copy_(parts[root]);
    meeting_->leave();
  }

  void abort() noexcept override { meeting_->abort(); }

 private:
  std::shared_ptr<Meeting> meeting_;
  int64_t rank_;
};

}  // namespace

std::vector<std::shared_ptr<Group>> make_local_groups(int64_t size) {
  auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::shared_ptr<Group>> groups;
  for (int64_t rank = 0; rank < size; ++rank) {
    groups.push_back(std::make_shared<LocalGroup>(meeting, rank));
  }
  return groups;
}

}  // namespace torchsight
