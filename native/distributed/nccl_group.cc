#include "distributed/nccl_group.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <utility>

#include "distributed/c10d_group.h"
#include "runtime/accelerator.h"
#include "runtime/cuda_parts.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

using Backend = c10::intrusive_ptr<c10d::Backend>;

class NcclGroup final : public Group {
 public:
  NcclGroup(Backend nccl, std::shared_ptr<Group> host, std::chrono::milliseconds timeout,
            at::Device device)
      : nccl_(std::move(nccl)),
        cards_(make_c10d_group(nccl_, timeout)),
        host_(std::move(host)),
        timeout_(timeout),
        device_(device) {}

  // What is left of its collectives would wait for ranks that may be gone.
  ~NcclGroup() override { NcclGroup::abort(); }

  int64_t rank() const noexcept override { return host_->rank(); }
  int64_t size() const noexcept override { return host_->size(); }

  at::Tensor all_gather(const at::Tensor& local) override { return of(local).all_gather(local); }
  at::Tensor all_to_all(const at::Tensor& full) override { return of(full).all_to_all(full); }
  void all_reduce(at::Tensor& tensor) override { of(tensor).all_reduce(tensor); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    return of(tensor).start_all_reduce(tensor);
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    return of(out).start_ring(out, in);
  }

  void finish() override {
    synchronize(device_);
    // A collective that was given up leaves numbers behind that nobody has computed.
    const c10d::ErrorType error = nccl_->getError();
    if (error == c10d::ErrorType::SUCCESS) return;
    const std::string name = "rank " + std::to_string(rank());
    if (error == c10d::ErrorType::TIMEOUT) {
      throw Error(
          ErrorCode::kCollectiveTimeout,
          name + " waited " + std::to_string(timeout_.count()) + " ms in a collective of NCCL");
    }
    throw Error(ErrorCode::kRankFailed, name + " lost another rank in a collective of NCCL");
  }

  void abort() noexcept override {
    if (std::exchange(aborted_, true)) return;
    try {
      nccl_->abort();
    } catch (const std::exception&) {
      // It is at its end either way.
    }
    host_->abort();
  }

 private:
  Group& of(const at::Tensor& tensor) const { return tensor.is_cuda() ? *cards_ : *host_; }

  Backend nccl_;
  std::shared_ptr<Group> cards_, host_;
  std::chrono::milliseconds timeout_;
  at::Device device_;
  bool aborted_ = false;
};

}  // namespace

void require_nccl() {
  if (cuda_parts()) return;
  throw Error(ErrorCode::kUnsupported,
              "expected torchsight_cuda.so beside the addon and the worker for ranks on cards but "
              "found none: build against a libtorch with CUDA where NCCL's headers are "
              "(docs/cuda.md)",
              "NO_CUDA_PARTS");
}

std::shared_ptr<Group> make_nccl_group(c10::intrusive_ptr<c10d::Store> store,
                                       std::shared_ptr<Group> host,
                                       std::chrono::milliseconds timeout, at::Device device) {
  require_nccl();
  const int64_t rank = host->rank(), size = host->size();
  const c10::DeviceGuard guard(device);
  try {
    auto own = c10::make_intrusive<c10d::PrefixStore>("cards", std::move(store));
    Backend nccl = cuda_parts()->make_nccl(std::move(own), static_cast<int>(rank),
                                           static_cast<int>(size), timeout);
    auto group = std::make_shared<NcclGroup>(std::move(nccl), std::move(host), timeout, device);
    // NCCL connects with the first collective: what fails there should fail the load.
    at::Tensor one = at::ones({1}, device);
    group->all_reduce(one);
    group->finish();
    return group;
  } catch (const std::exception&) {
    throw Error(ErrorCode::kRendezvous,
                "rank " + std::to_string(rank) + " of " + std::to_string(size) + " on " +
                    device.str() + " did not meet the others by NCCL: " + current_error().what());
  }
}

}  // namespace torchsight
