#include <ATen/ATen.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "distributed/group.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// What the ranks share: a slot each for the tensor that it brings to the collective under way.
class Meeting {
 public:
  explicit Meeting(int64_t size) : slots_(size), letters_(size) {}

  /// Puts `tensor` into the slot of `rank` and returns all slots once every rank has come.
  const std::vector<at::Tensor>& arrive(int64_t rank, const at::Tensor& tensor) {
    slots_[rank] = tensor;
    wait_for_all();
    return slots_;
  }

  /// Holds each rank until all have read the slots.
  void leave() { wait_for_all(); }

  /// Messages to one rank come in the order in which they were sent.
  void send(int64_t to, at::Tensor letter) {
    std::lock_guard lock(mutex_);
    letters_[to].push_back(std::move(letter));
    changed_.notify_all();
  }

  at::Tensor receive(int64_t rank) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !letters_[rank].empty() || aborted_; });
    if (aborted_) throw_failed();
    at::Tensor letter = std::move(letters_[rank].front());
    letters_[rank].pop_front();
    return letter;
  }

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
    if (round_ == round) throw_failed();
  }

  [[noreturn]] static void throw_failed() {
    throw Error(ErrorCode::kRankFailed, "a rank of the local group failed");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<at::Tensor> slots_;
  std::vector<std::deque<at::Tensor>> letters_;
  size_t arrived_ = 0;
  uint64_t round_ = 0;
  bool aborted_ = false;
};

// What the rank before has sent, fetched when it is awaited.
class LocalTransfer final : public Transfer {
 public:
  LocalTransfer(Meeting& meeting, int64_t rank, at::Tensor in)
      : meeting_(meeting), rank_(rank), in_(std::move(in)) {}

  void wait() override { in_.copy_(meeting_.receive(rank_)); }

 private:
  Meeting& meeting_;
  int64_t rank_;
  at::Tensor in_;
};

class NoTransfer final : public Transfer {
 public:
  void wait() override {}
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

  at::Tensor all_to_all(const at::Tensor& full) override {
    const auto& parts = meeting_->arrive(rank_, full);
    const int64_t rows = full.size(0) / size();
    std::vector<at::Tensor> mine;
    for (const at::Tensor& part : parts) mine.push_back(part.narrow(0, rank_ * rows, rows));
    at::Tensor result = at::cat(mine, 0);
    meeting_->leave();
    return result;
  }

  void all_reduce(at::Tensor& tensor) override {
    const auto& parts = meeting_->arrive(rank_, tensor);
    at::Tensor sum = parts[0].clone();
    for (int64_t r = 1; r < size(); ++r) sum.add_(parts[r]);
    meeting_->leave();
    tensor.copy_(sum);
  }

  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    all_reduce(tensor);
    return std::make_unique<NoTransfer>();
  }

  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    meeting_->send((rank_ + 1) % size(), out.clone());
    return std::make_unique<LocalTransfer>(*meeting_, rank_, in);
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
