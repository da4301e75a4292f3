// Which earlier tokens each new token of a decoder may see.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/decoder/config.h"

namespace torchsight {

/// What T new tokens see of M = past + T.
struct Mask {
  at::Tensor
      seen_B1TM;  // bool [B or 1, 1, T, M], true where a token may look; undefined: everywhere
  /// Whether it hides just what stands behind each token, for which kernels need no mask.
  bool causal = false;
};

struct Visibility {
  Mask everywhere;  // in layers without a window
  Mask windowed;    // in layers with one
};

/// What is known of the tokens of a call without a cache, or of a prompt.
struct TokenKinds {
  at::Tensor real_BT;    // bool, false at padding; undefined: all are real
  at::Tensor prefix_BT;  // bool, true where tokens see the whole prefix; undefined: none do
};

/// Tokens see what stands before them, as far as the window reaches, and those of the prefix see
/// all of the prefix besides. Padding is never seen.
Visibility prompt_visibility(const DecoderConfig& config, const TokenKinds& kinds, int64_t tokens,
                             at::Device device);

/// How many tokens of padding each row begins with: int64 [B] on the CPU. Throws `Error(kBadInput)`
/// where padding stands elsewhere, or a row has nothing else.
at::Tensor left_padding(const at::Tensor& real_BT);

}  // namespace torchsight
