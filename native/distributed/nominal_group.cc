#include "distributed/nominal_group.h"

#include "runtime/error.h"

namespace torchsight {
namespace {

class NominalGroup final : public Group {
 public:
  NominalGroup(int64_t rank, int64_t size) : rank_(rank), size_(size) {}

  int64_t rank() const noexcept override { return rank_; }
  int64_t size() const noexcept override { return size_; }

  at::Tensor all_gather(const at::Tensor&) override { refuse(); }
  at::Tensor all_to_all(const at::Tensor&) override { refuse(); }
  void all_reduce(at::Tensor&) override { refuse(); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor&) override { refuse(); }
  std::unique_ptr<Transfer> start_ring(const at::Tensor&, at::Tensor&) override { refuse(); }

 private:
  [[noreturn]] static void refuse() {
    throw Error(ErrorCode::kInternal, "expected a group of ranks but received one in name only");
  }

  int64_t rank_;
  int64_t size_;
};

}  // namespace

std::shared_ptr<Group> make_nominal_group(int64_t rank, int64_t size) {
  return std::make_shared<NominalGroup>(rank, size);
}

}  // namespace torchsight
