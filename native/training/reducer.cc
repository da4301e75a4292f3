#include "training/reducer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cmath>

#include "runtime/error.h"
#include "training/gradients.h"

namespace torchsight {
namespace {

at::Tensor gradient_of(const at::Tensor& leaf) {
  const at::Tensor& gradient = leaf.grad();
  return gradient.defined() ? gradient : at::zeros_like(leaf);
}

int64_t bytes_of(const at::Tensor& tensor) {
  return static_cast<int64_t>(tensor.nbytes());
}

}  // namespace

// Called by autograd when the gradient of a leaf was added to by a pass, once for each pass.
class Reducer::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(Reducer& reducer, size_t bucket) : reducer_(reducer), bucket_(bucket) {}
  void operator()(const at::Tensor&) override { reducer_.completed(bucket_); }

 private:
  Reducer& reducer_;
  size_t bucket_;
};

Reducer::Reducer(RunRanks ranks, const std::vector<Weight>& weights, int64_t bucket_bytes)
    : ranks_(std::move(ranks)), weights_(weights) {
  if (ranks_.replicated()) make_buckets(bucket_bytes);
}

void Reducer::make_buckets(int64_t bucket_bytes) {
  std::vector<at::Tensor> leaves;  // in the order of the weights, which share joint ones
  for (const Weight& weight : weights_) {
    if (leaves.empty() || !leaves.back().is_same(weight.leaf)) leaves.push_back(weight.leaf);
  }
  int64_t bytes = 0;
  for (auto leaf = leaves.rbegin(); leaf != leaves.rend(); ++leaf) {
    const bool seen = std::any_of(buckets_.begin(), buckets_.end(), [&](const Bucket& bucket) {
      return std::any_of(bucket.leaves.begin(), bucket.leaves.end(),
                         [&](const at::Tensor& known) { return known.is_same(*leaf); });
    });
    if (seen) continue;
    const bool fits = !buckets_.empty() && bytes < bucket_bytes &&
                      buckets_.back().leaves.front().scalar_type() == leaf->scalar_type();
    if (!fits) {
      buckets_.emplace_back();
      bytes = 0;
    }
    buckets_.back().leaves.push_back(*leaf);
    bytes += bytes_of(*leaf);
    torch::autograd::impl::set_post_acc_grad_hooks(
        *leaf, std::make_unique<Hook>(*this, buckets_.size() - 1));
  }
}

Reducer::~Reducer() {
  abandon();
  for (const Bucket& bucket : buckets_) {
    for (const at::Tensor& leaf : bucket.leaves) {
      torch::autograd::impl::set_post_acc_grad_hooks(leaf, nullptr);
    }
  }
}

void Reducer::expect_last() {
  last_ = true;
  started_ = 0;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.leaves.size();
}

void Reducer::completed(size_t bucket) {
  if (!last_) return;
  --buckets_[bucket].missing;
  while (started_ < buckets_.size() && buckets_[started_].missing == 0) {
    start(buckets_[started_++]);
  }
}

// The gradients become views of the sum, so that they take no memory twice.
void Reducer::start(Bucket& bucket) {
  const at::NoGradGuard no_grad;
  int64_t count = 0;
  for (const at::Tensor& leaf : bucket.leaves) count += leaf.numel();
  bucket.sum = at::empty({count}, bucket.leaves.front().options().requires_grad(false));
  int64_t begin = 0;
  for (const at::Tensor& leaf : bucket.leaves) {
    at::Tensor own = bucket.sum.narrow(0, begin, leaf.numel()).view(leaf.sizes());
    own.copy_(gradient_of(leaf));
    leaf.mutable_grad() = own;
    begin += leaf.numel();
  }
  bucket.transfer = ranks_.replicas->start_all_reduce(bucket.sum);
}

void Reducer::finish() {
  while (started_ < buckets_.size()) start(buckets_[started_++]);
  last_ = false;
  for (Bucket& bucket : buckets_) {
    std::exchange(bucket.transfer, nullptr)->wait();
    bucket.sum.reset();
  }
  if (ranks_.parts) sum_partial();
}

void Reducer::abandon() noexcept {
  last_ = false;
  for (Bucket& bucket : buckets_) {
    if (!bucket.transfer) continue;
    try {
      std::exchange(bucket.transfer, nullptr)->wait();
    } catch (const Error&) {
      // The group has failed, as whoever asked for the step was told.
    }
    bucket.sum.reset();
  }
}

void Reducer::sum_partial() {
  std::vector<at::Tensor> gradients, rows;
  for (const Weight& weight : weights_) {
    if (!weight.partial) continue;
    gradients.push_back(weight.gradient());
    rows.push_back(gradients.back().flatten());
  }
  if (rows.empty()) return;
  at::Tensor sum = at::cat(rows);
  ranks_.parts->all_reduce(sum);
  int64_t begin = 0;
  for (at::Tensor& gradient : gradients) {
    gradient.copy_(sum.narrow(0, begin, gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

double Reducer::norm(const std::vector<at::Tensor>& gradients) const {
  if (!ranks_.parts) return global_norm(gradients);
  const at::Tensor squares = at::stack(at::_foreach_norm(gradients, 2)).to(at::kDouble).square();
  const at::Tensor on_host = squares.to(at::kCPU);
  double whole = 0, parts = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    const std::optional<Cut>& cut = weights_[i].cut;
    if (cut && cut->copy) continue;
    (cut ? parts : whole) += on_host[static_cast<int64_t>(i)].item<double>();
  }
  return std::sqrt(whole + ranks_.sum_parts(parts));
}

}  // namespace torchsight
