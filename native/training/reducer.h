// Sums of gradients over the ranks of a run.
#pragma once

#include <memory>
#include <vector>

#include "training/run_ranks.h"
#include "training/weights.h"

namespace torchsight {

/// Sums the weights' gradients over replicas in buckets, while the backward pass that they come
/// from still runs, and those of `Weight::partial` over the ranks that share the model. Buckets are
/// made of the weights in reverse order, which is about the order in which gradients come, and
/// start in one order on all ranks: a bucket that is full waits for those before it. Each is summed
/// in one piece, so repeated runs give the same bits.
class Reducer {
 public:
  /// `bucket_bytes` is the size from which on a bucket is full.
  Reducer(RunRanks ranks, const std::vector<Weight>& weights, int64_t bucket_bytes);
  ~Reducer();
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;

  /// The next backward pass is the step's last: what it completes can be summed.
  void expect_last();
  /// Returns once the gradients are sums on all ranks. Gradients that no pass gave are zeros.
  void finish();
  /// Forgets a step that did not come to its end. Sums under way are awaited.
  void abandon() noexcept;

  /// The norm of all gradients of the model as one vector, each entry counted once.
  double norm(const std::vector<at::Tensor>& gradients) const;

 private:
  struct Bucket {
    std::vector<at::Tensor> leaves;
    size_t missing = 0;  // leaves whose gradient is not complete yet
    at::Tensor sum;
    std::unique_ptr<Transfer> transfer;
  };
  class Hook;

  void make_buckets(int64_t bucket_bytes);
  void completed(size_t bucket);
  void start(Bucket& bucket);
  void sum_partial();

  RunRanks ranks_;
  const std::vector<Weight>& weights_;
  std::vector<Bucket> buckets_;
  size_t started_ = 0;  // buckets that are under way
  bool last_ = false;
};

}  // namespace torchsight
