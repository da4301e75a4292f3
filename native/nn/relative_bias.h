// What attention adds to its logits by how far apart two tokens are (Raffel et al., arXiv
// 1910.10683, section 2.1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchsight {

/// The bucket of the token that is seen at `offset` = its place - the looking token's place. Half
/// of `buckets` are for tokens before and half for those behind; of each half the first half have
/// one distance each, and the rest grow with the logarithm up to `max_distance`.
int64_t relative_bucket(int64_t offset, int64_t buckets, int64_t max_distance);

/// [1, H, N, N] of a table [buckets, H]: row by looking token, column by the token that is seen.
at::Tensor relative_bias(const at::Tensor& table_KH, int64_t tokens, int64_t max_distance);

}  // namespace torchsight
