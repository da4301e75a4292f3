#include "nn/decode_attention.h"
#include <ATen/ATen.h>
namespace torchsight {
at::Tensor attend_step(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                       const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                       double scale, double softcap) {
  const int64_t groups = keys_BKTe.size(1);
  const at::Tensor q = q_BHe.unflatten(1, {groups, -1});
  at::Tensor s = at::matmul(q, keys_BKTe.narrow(2, 0, end).transpose(2, 3)) * scale;
  if (softcap > 0) s = (s / softcap).tanh() * softcap;
  const at::Tensor hidden =
      at::arange(end, begin_B.options()).unsqueeze(0).lt(begin_B.unsqueeze(1)).to(s.device());
  s = s.masked_fill(hidden.unsqueeze(1).unsqueeze(1), -INFINITY);
  return at::matmul(s.softmax(-1), values_BKTe.narrow(2, 0, end)).flatten(1, 2);
}
}  // namespace torchsight
