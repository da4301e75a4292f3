#include "nn/decode_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "nn/product_kernels.h"
#include "nn/row_kernels.h"

namespace torchsight {
namespace {

// The positions are cut into chunks that threads share, also where there is only one head of keys.
constexpr int64_t kChunk = 64;

at::Tensor attend_plainly(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                          const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                          double scale, double softcap) {
  const int64_t groups = keys_BKTe.size(1);
  const auto dtype = at::promote_types(q_BHe.scalar_type(), at::kFloat);
  const at::Tensor q_BKGe = q_BHe.unflatten(1, {groups, -1}).to(dtype);
  const at::Tensor k_BKTe = keys_BKTe.narrow(2, 0, end).to(dtype);
  const at::Tensor v_BKTe = values_BKTe.narrow(2, 0, end).to(dtype);
  at::Tensor logits_BKGT = at::matmul(q_BKGe, k_BKTe.transpose(2, 3)) * scale;
  if (softcap != 0) logits_BKGT = at::tanh(logits_BKGT / softcap) * softcap;
  const at::Tensor before_BT = at::arange(end, begin_B.options()) < begin_B.unsqueeze(1);
  logits_BKGT.masked_fill_(before_BT.to(q_BHe.device()).view({-1, 1, 1, end}), -INFINITY);
  return at::matmul(at::softmax(logits_BKGT, -1), v_BKTe).flatten(1, 2).to(q_BHe.scalar_type());
}

// One step, part by part: each part is the attention of a group of heads to a chunk of positions.
template <typename Number>
class Step {
 public:
  Step(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe, const at::Tensor& values_BKTe,
       const at::Tensor& begin_B, int64_t end)
      : q_(q_BHe.contiguous()),
        keys_(keys_BKTe),
        values_(values_BKTe),
        begin_(begin_B.const_data_ptr<int64_t>()),
        end_(end),
        groups_(keys_BKTe.size(1)),
        heads_(q_BHe.size(1) / groups_),
        width_(q_BHe.size(2)),
        chunks_((end + kChunk - 1) / kChunk),
        sums_(at::zeros({q_BHe.size(0) * groups_ * chunks_, heads_, width_}, q_BHe.options())),
        softmaxes_(sums_.size(0) * heads_, {-INFINITY, 0}) {}

  at::Tensor run(float scale, float softcap) {
    at::parallel_for(0, sums_.size(0), 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scores(heads_ * kChunk);
      for (int64_t part = begin; part < end; ++part) attend(part, scale, softcap, scores.data());
    });
    at::Tensor y_BHe = at::zeros_like(q_);
    float* const y = y_BHe.mutable_data_ptr<float>();
    at::parallel_for(0, q_.size(0) * q_.size(1), 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) merge(head, y + head * width_);
    });
    return y_BHe;
  }

 private:
  void attend(int64_t part, float scale, float softcap, float* scores) {
    const int64_t b = part / chunks_ / groups_, group = part / chunks_ % groups_;
    const int64_t from = std::max(part % chunks_ * kChunk, begin_[b]);
    const int64_t to = std::min((part % chunks_ + 1) * kChunk, end_);
    if (from >= to) return;
    const auto chunk = [&](const at::Tensor& cache) {
      const Number* const rows = cache.const_data_ptr<Number>() + b * cache.stride(0) +
                                 group * cache.stride(1) + from * cache.stride(2);
      return Rows<const Number>{rows, to - from, cache.stride(2)};
    };
    const FormatKernels<Number>& kernels = product_kernels().of<Number>();
    const float* const q = q_.const_data_ptr<float>() + (b * groups_ + group) * heads_ * width_;
    kernels.multiply({q, heads_, width_}, chunk(keys_), nullptr, width_, {scores, heads_, kChunk});
    for (int64_t h = 0; h < heads_; ++h) {
      softmaxes_[part * heads_ + h] =
          row_kernels().soften(scores + h * kChunk, to - from, scale, softcap);
    }
    float* const sums = sums_.mutable_data_ptr<float>() + part * heads_ * width_;
    kernels.accumulate({scores, heads_, kChunk}, chunk(values_), width_, {sums, heads_, width_});
  }

  // The parts of one head, each weighed by its share of the softmax over all positions.
  void merge(int64_t head, float* y) const {
    const int64_t first = head / heads_ * chunks_, h = head % heads_;
    const SoftmaxPart* const parts = softmaxes_.data() + first * heads_ + h;
    float largest = -INFINITY, sum = 0;
    std::vector<float> shares(chunks_);
    for (int64_t c = 0; c < chunks_; ++c) largest = std::max(largest, parts[c * heads_].largest);
    for (int64_t c = 0; c < chunks_; ++c) {
      shares[c] = std::exp(parts[c * heads_].largest - largest);
      sum += shares[c] * parts[c * heads_].sum;
    }
    for (float& share : shares) share /= sum;
    const float* const sums = sums_.const_data_ptr<float>() + (first * heads_ + h) * width_;
    product_kernels().float32.accumulate({shares.data(), 1, chunks_},
                                         {sums, chunks_, heads_ * width_}, width_, {y, 1, width_});
  }

  const at::Tensor q_, keys_, values_;
  const int64_t* const begin_;
  const int64_t end_, groups_, heads_, width_, chunks_;
  at::Tensor sums_;                     // [B K chunks, heads, e]
  std::vector<SoftmaxPart> softmaxes_;  // [B K chunks, heads]
};

}  // namespace

at::Tensor attend_step(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                       const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                       double scale, double softcap) {
  const at::ScalarType dtype = keys_BKTe.scalar_type();
  const bool fast = q_BHe.is_cpu() && q_BHe.scalar_type() == at::kFloat &&
                    values_BKTe.scalar_type() == dtype && keys_BKTe.stride(3) == 1 &&
                    values_BKTe.stride(3) == 1;
  const auto step = [&]<typename Number>() {
    return Step<Number>(q_BHe, keys_BKTe, values_BKTe, begin_B, end).run(scale, softcap);
  };
  if (fast && dtype == at::kFloat) return step.operator()<float>();
  if (fast && dtype == at::kBFloat16) return step.operator()<c10::BFloat16>();
  if (fast && dtype == at::kHalf) return step.operator()<c10::Half>();
  return attend_plainly(q_BHe, keys_BKTe, values_BKTe, begin_B, end, scale, softcap);
}

}  // namespace torchsight
