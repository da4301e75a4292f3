#include "distributed/group.h"
#include "runtime/timeline.h"

namespace torchsight {
namespace {

constexpr const char* kTrack = "messages";

// Records the time from the start of a transfer until it was found to be over.
class TracedTransfer final : public Transfer {
 public:
  TracedTransfer(std::unique_ptr<Transfer> inner, std::string name)
      : inner_(std::move(inner)), name_(std::move(name)) {}

  void wait() override {
    {
      const Timeline::Span span("wait for a message");
      inner_->wait();
    }
    if (Timeline* timeline = Timeline::current()) {
      timeline->add(name_, kTrack, started_, Timeline::Clock::now());
    }
  }

 private:
  std::unique_ptr<Transfer> inner_;
  std::string name_;
  Timeline::Clock::time_point started_ = Timeline::Clock::now();
};

std::string named(const char* what, const at::Tensor& tensor) {
  return std::string(what) + " " + std::to_string(tensor.nbytes()) + " bytes";
}

class TracedGroup final : public Group {
 public:
  explicit TracedGroup(std::shared_ptr<Group> group) : group_(std::move(group)) {}

  int64_t rank() const noexcept override { return group_->rank(); }
  int64_t size() const noexcept override { return group_->size(); }

  at::Tensor all_gather(const at::Tensor& local) override {
    const Timeline::Span span("gather", kTrack);
    return group_->all_gather(local);
  }
  at::Tensor all_to_all(const at::Tensor& full) override {
    const Timeline::Span span("exchange", kTrack);
    return group_->all_to_all(full);
  }
  void all_reduce(at::Tensor& tensor) override {
    const Timeline::Span span("sum", kTrack);
    group_->all_reduce(tensor);
  }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    auto transfer = group_->start_all_reduce(tensor);
    return traced(std::move(transfer), "sum", tensor);
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    auto transfer = group_->start_ring(out, in);
    return traced(std::move(transfer), "send and receive", in);
  }
  void finish() override { group_->finish(); }
  void abort() noexcept override { group_->abort(); }

 private:
  // Nothing is added where nobody looks.
  static std::unique_ptr<Transfer> traced(std::unique_ptr<Transfer> transfer, const char* what,
                                          const at::Tensor& tensor) {
    if (!Timeline::current()) return transfer;
    return std::make_unique<TracedTransfer>(std::move(transfer), named(what, tensor));
  }

  std::shared_ptr<Group> group_;
};

}  // namespace

std::shared_ptr<Group> make_traced_group(std::shared_ptr<Group> group) {
  return std::make_shared<TracedGroup>(std::move(group));
}

}  // namespace torchsight
