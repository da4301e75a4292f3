#include "nn/decoder/visibility.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight {
namespace {

// What of [T, T] a token sees behind it, `window` tokens at most where that is above 0.
at::Tensor causal_TT(int64_t tokens, int64_t window, at::Device device) {
  const auto bools = at::TensorOptions().dtype(at::kBool).device(device);
  at::Tensor seen_TT = at::ones({tokens, tokens}, bools).tril();
  if (window > 0) seen_TT = seen_TT.triu(1 - window);
  return seen_TT;
}

}  // namespace

Visibility prompt_visibility(const DecoderConfig& config, const TokenKinds& kinds, int64_t tokens,
                             at::Device device) {
  const at::Tensor& prefix_BT = kinds.prefix_BT;
  const bool all_prefix = prefix_BT.defined() && prefix_BT.all().item<bool>();
  const auto mask = [&](int64_t window) {
    at::Tensor seen_B1TT;
    if (!all_prefix) {
      seen_B1TT = causal_TT(tokens, window, device).unsqueeze(0).unsqueeze(0);
      if (prefix_BT.defined()) {
        seen_B1TT = seen_B1TT.logical_or(
            (prefix_BT.unsqueeze(2).logical_and(prefix_BT.unsqueeze(1))).unsqueeze(1));
      }
    }
    if (!kinds.real_BT.defined()) return seen_B1TT;
    const at::Tensor real_B11T = kinds.real_BT.unsqueeze(1).unsqueeze(1);
    // A row without anything to see would have no softmax: padding sees itself.
    const at::Tensor self_TT = at::eye(tokens, at::TensorOptions().dtype(at::kBool).device(device));
    const at::Tensor kept = seen_B1TT.defined() ? seen_B1TT.logical_and(real_B11T) : real_B11T;
    return kept.logical_or(self_TT);
  };
  const bool causal = !prefix_BT.defined() && !kinds.real_BT.defined();
  Visibility visibility{{mask(0), causal}, {}};
  const bool narrower = config.has_windows() && config.window < tokens;
  visibility.windowed = narrower ? Mask{mask(config.window)} : visibility.everywhere;
  return visibility;
}

at::Tensor left_padding(const at::Tensor& real_BT) {
  const at::Tensor real = real_BT.cpu().to(at::kLong);
  const at::Tensor padding_B = real.size(1) - real.sum(1);
  const at::Tensor column_T = at::arange(real.size(1), at::kLong);
  const at::Tensor expected_BT = column_T.unsqueeze(0).ge(padding_B.unsqueeze(1)).to(at::kLong);
  if (!real.equal(expected_BT) || padding_B.ge(real.size(1)).any().item<bool>()) {
    throw Error(ErrorCode::kBadInput,
                "expected rows of tokens with all padding on the left for attention_mask but "
                "received others");
  }
  return padding_B;
}

}  // namespace torchsight
