#include "distributed/dry_group.h"

#include <torch/csrc/distributed/c10d/FakeProcessGroup.hpp>

#include "distributed/c10d_group.h"

namespace torchsight {
namespace {

class CountingGroup final : public DryGroup {
 public:
  explicit CountingGroup(std::shared_ptr<Group> group) : group_(std::move(group)) {}

  int64_t rank() const noexcept override { return group_->rank(); }
  int64_t size() const noexcept override { return group_->size(); }
  const std::map<std::string, Traffic>& traffic() const noexcept override { return traffic_; }

  // A ring sends T - 1 parts in all but a sum for everybody, which has two rounds.
  at::Tensor all_gather(const at::Tensor& local) override {
    count("all_gather", bytes(local) * (size() - 1));
    return group_->all_gather(local);
  }
  at::Tensor all_to_all(const at::Tensor& full) override {
    count("all_to_all", bytes(full) / size() * (size() - 1));
    return group_->all_to_all(full);
  }
  void all_reduce(at::Tensor& tensor) override { start_all_reduce(tensor)->wait(); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    count("all_reduce", 2 * (size() - 1) * bytes(tensor) / size());
    return group_->start_all_reduce(tensor);
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    count("ring", bytes(out));
    return group_->start_ring(out, in);
  }

 private:
  static int64_t bytes(const at::Tensor& tensor) {
    return tensor.numel() * static_cast<int64_t>(tensor.element_size());
  }
  void count(const char* kind, int64_t bytes) {
    Traffic& traffic = traffic_[kind];
    ++traffic.calls;
    traffic.bytes += bytes;
  }

  std::shared_ptr<Group> group_;
  std::map<std::string, Traffic> traffic_;
};

}  // namespace

std::shared_ptr<DryGroup> make_dry_group(int64_t rank, int64_t size) {
  auto backend =
      c10d::FakeProcessGroup::_create_internal(static_cast<int>(rank), static_cast<int>(size));
  return std::make_shared<CountingGroup>(
      make_c10d_group(std::move(backend), std::chrono::minutes(1)));
}

}  // namespace torchsight
