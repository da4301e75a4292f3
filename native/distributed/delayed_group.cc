#include <thread>

#include "distributed/group.h"

namespace torchsight {
namespace {

using Clock = std::chrono::steady_clock;

class DelayedTransfer final : public Transfer {
 public:
  DelayedTransfer(std::unique_ptr<Transfer> inner, Clock::time_point earliest)
      : inner_(std::move(inner)), earliest_(earliest) {}

  void wait() override {
    inner_->wait();
    std::this_thread::sleep_until(earliest_);
  }

 private:
  std::unique_ptr<Transfer> inner_;
  Clock::time_point earliest_;
};

class DelayedGroup final : public Group {
 public:
  DelayedGroup(std::shared_ptr<Group> group, std::chrono::microseconds delay)
      : group_(std::move(group)), delay_(delay) {}

  int64_t rank() const noexcept override { return group_->rank(); }
  int64_t size() const noexcept override { return group_->size(); }

  at::Tensor all_gather(const at::Tensor& local) override {
    sleep(size() - 1);
    return group_->all_gather(local);
  }
  at::Tensor all_to_all(const at::Tensor& full) override {
    sleep(size() - 1);
    return group_->all_to_all(full);
  }
  void all_reduce(at::Tensor& tensor) override { start_all_reduce(tensor)->wait(); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    return later(group_->start_all_reduce(tensor), 2 * (size() - 1));
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    return later(group_->start_ring(out, in), 1);
  }
  void abort() noexcept override { group_->abort(); }

 private:
  void sleep(int64_t messages) const { std::this_thread::sleep_for(messages * delay_); }
  std::unique_ptr<Transfer> later(std::unique_ptr<Transfer> transfer, int64_t messages) const {
    return std::make_unique<DelayedTransfer>(std::move(transfer), Clock::now() + messages * delay_);
  }

  std::shared_ptr<Group> group_;
  std::chrono::microseconds delay_;
};

}  // namespace

std::shared_ptr<Group> make_delayed_group(std::shared_ptr<Group> group,
                                          std::chrono::microseconds delay) {
  return std::make_shared<DelayedGroup>(std::move(group), delay);
}

}  // namespace torchsight
