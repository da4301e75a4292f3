#include "distributed/c10d_group.h"

#include <ATen/ATen.h>

#include <limits>

#include "runtime/error.h"

namespace torchsight {
namespace {

using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

// Backends tell a timeout and a lost peer apart in their messages alone.
[[noreturn]] void throw_failure(int64_t rank, std::chrono::milliseconds timeout) {
  const std::string what = current_error().what(), name = "rank " + std::to_string(rank);
  if (what.find("imed out") != std::string::npos || what.find("imeout") != std::string::npos) {
    throw Error(ErrorCode::kCollectiveTimeout, name + " waited " + std::to_string(timeout.count()) +
                                                   " ms in a collective: " + what);
  }
  throw Error(ErrorCode::kRankFailed, name + " lost another rank in a collective: " + what);
}

class C10dTransfer final : public Transfer {
 public:
  C10dTransfer(Works works, int64_t rank, std::chrono::milliseconds timeout)
      : works_(std::move(works)), rank_(rank), timeout_(timeout) {}

  void wait() override {
    try {
      for (const auto& work : works_) work->wait();
    } catch (const std::exception&) {
      throw_failure(rank_, timeout_);
    }
  }

 private:
  Works works_;
  int64_t rank_;
  std::chrono::milliseconds timeout_;
};

// Bytes travel where nothing is summed: a backend then needs to know no dtype.
at::Tensor bytes_of(const at::Tensor& tensor) {
  return tensor.view({-1}).view(at::kByte);
}

class C10dGroup final : public Group {
 public:
  C10dGroup(c10::intrusive_ptr<c10d::Backend> backend, std::chrono::milliseconds timeout)
      : backend_(std::move(backend)), timeout_(timeout) {}

  int64_t rank() const noexcept override { return backend_->getRank(); }
  int64_t size() const noexcept override { return backend_->getSize(); }

  at::Tensor all_gather(const at::Tensor& local) override {
    const at::Tensor input = local.contiguous();
    std::vector<int64_t> shape = input.sizes().vec();
    shape.at(0) *= size();
    at::Tensor result = at::empty(shape, input.options());
    at::Tensor bytes_out = bytes_of(result), bytes_in = bytes_of(input);
    finish([&] {
      return backend_->_allgather_base(bytes_out, bytes_in, with_timeout<c10d::AllgatherOptions>());
    });
    return result;
  }

  at::Tensor all_to_all(const at::Tensor& full) override {
    const at::Tensor input = full.contiguous();
    at::Tensor result = at::empty_like(input);
    at::Tensor bytes_out = bytes_of(result), bytes_in = bytes_of(input);
    std::vector<int64_t> even;
    finish([&] {
      return backend_->alltoall_base(bytes_out, bytes_in, even, even,
                                     with_timeout<c10d::AllToAllOptions>());
    });
    return result;
  }

  void all_reduce(at::Tensor& tensor) override { start_all_reduce(tensor)->wait(); }

  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    std::vector<at::Tensor> tensors{tensor};
    return start([&] {
      return Works{backend_->allreduce(tensors, with_timeout<c10d::AllreduceOptions>())};
    });
  }

  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    message_ = message_ % std::numeric_limits<int>::max() + 1;
    const auto next = static_cast<int>((rank() + 1) % size());
    const auto previous = static_cast<int>((rank() + size() - 1) % size());
    std::vector<at::Tensor> sent{bytes_of(out)}, received{bytes_of(in)};
    return start([&] {
      if (!backend_->supportsCoalescing()) {
        return Works{backend_->send(sent, next, message_),
                     backend_->recv(received, previous, message_)};
      }
      // One after the other, all ranks would wait for a receiver.
      backend_->startCoalescing();
      backend_->send(sent, next, message_);
      backend_->recv(received, previous, message_);
      return Works{backend_->endCoalescing()};
    });
  }

 private:
  template <typename Options>
  Options with_timeout() const {
    Options options;
    options.timeout = timeout_;
    return options;
  }

  template <typename F>
  std::unique_ptr<Transfer> start(const F& issue) {
    try {
      return std::make_unique<C10dTransfer>(issue(), rank(), timeout_);
    } catch (const std::exception&) {
      throw_failure(rank(), timeout_);
    }
  }

  template <typename F>
  void finish(const F& issue) {
    start([&] { return Works{issue()}; })->wait();
  }

  c10::intrusive_ptr<c10d::Backend> backend_;
  std::chrono::milliseconds timeout_;
  int message_ = 0;  // its tag: all ranks count alike, and begin anew where numbers end
};

}  // namespace

std::shared_ptr<Group> make_c10d_group(c10::intrusive_ptr<c10d::Backend> backend,
                                       std::chrono::milliseconds timeout) {
  return std::make_shared<C10dGroup>(std::move(backend), timeout);
}

}  // namespace torchsight
