// The one translation unit that sees ProcessGroupGloo, compiled against the stubs in gloo_stubs/.
#include "distributed/group.h"
#include "runtime/error.h"

#ifdef __linux__

#include <ATen/ATen.h>

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace torchsight {
namespace {

class GlooGroup final : public Group {
 public:
  explicit GlooGroup(const GlooOptions& options)
      : rank_(options.rank), size_(options.size), timeout_(options.timeout) {
    // FileStore polls for its timeout before it gives up, so it gets the group's.
    auto store = c10::make_intrusive<c10d::FileStore>(options.store, static_cast<int>(size_));
    store->setTimeout(options.timeout);
    auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
    // By address: on hosts whose name resolves to loopback Gloo would publish that silently.
    gloo->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(options.host)};
    backend_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank_),
                                                           static_cast<int>(size_), gloo);
  }

  int64_t rank() const noexcept override { return rank_; }
  int64_t size() const noexcept override { return size_; }

  at::Tensor all_gather(const at::Tensor& local) override {
    const at::Tensor input = local.contiguous();
    std::vector<int64_t> shape = input.sizes().vec();
    shape.at(0) *= size_;
    at::Tensor result = at::empty(shape, input.options());
    // Bytes travel: Gloo then needs to know no dtype.
    at::Tensor bytes_out = result.view({-1}).view(at::kByte);
    at::Tensor bytes_in = input.view({-1}).view(at::kByte);
    c10d::AllgatherOptions options;
    options.timeout = timeout_;
    wait(backend_->_allgather_base(bytes_out, bytes_in, options));
    return result;
  }

  at::Tensor reduce_scatter(const at::Tensor& full) override {
    at::Tensor input = full.contiguous();
    std::vector<int64_t> shape = input.sizes().vec();
    shape.at(0) /= size_;
    at::Tensor result = at::empty(shape, input.options());
    c10d::ReduceScatterOptions options;
    options.timeout = timeout_;
    wait(backend_->_reduce_scatter_base(result, input, options));
    return result;
  }

  void all_reduce(at::Tensor& tensor) override {
    std::vector<at::Tensor> tensors{tensor};
    c10d::AllreduceOptions options;
    options.timeout = timeout_;
    wait(backend_->allreduce(tensors, options));
  }

  void broadcast(at::Tensor& tensor, int64_t root) override {
    std::vector<at::Tensor> tensors{tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.timeout = timeout_;
    wait(backend_->broadcast(tensors, options));
  }

 private:
  // Gloo tells a timeout and a lost peer apart in its message alone.
  void wait(const c10::intrusive_ptr<c10d::Work>& work) {
    try {
      work->wait();
    } catch (const std::exception& error) {
      const std::string what = error.what();
      const bool timed_out =
          what.find("imed out") != std::string::npos || what.find("imeout") != std::string::npos;
      const std::string rank = "rank " + std::to_string(rank_);
      if (timed_out) {
        throw Error(ErrorCode::kCollectiveTimeout,
                    rank + " waited " + std::to_string(timeout_.count()) + " ms in a collective");
      }
      throw Error(ErrorCode::kRankFailed, rank + " lost another rank in a collective");
    }
  }

  int64_t rank_;
  int64_t size_;
  std::chrono::milliseconds timeout_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> backend_;
};

}  // namespace

std::shared_ptr<Group> make_gloo_group(const GlooOptions& options) {
  try {
    return std::make_shared<GlooGroup>(options);
  } catch (const std::exception&) {
    throw Error(ErrorCode::kRendezvous, "rank " + std::to_string(options.rank) + " of " +
                                            std::to_string(options.size) +
                                            " did not meet the others: " + current_error().what());
  }
}

}  // namespace torchsight

#else

namespace torchsight {

std::shared_ptr<Group> make_gloo_group(const GlooOptions&) {
  throw Error(ErrorCode::kUnsupported, "Gloo groups need Linux: libtorch exports Gloo only there");
}

}  // namespace torchsight

#endif
