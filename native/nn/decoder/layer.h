// One layer of Gemma (arXiv 2403.08295) or Gemma 2 (arXiv 2408.00118): grouped-query attention with
// rotary positions, and a gated MLP; in Gemma 2 the results of both are normed as well.
#pragma once

#include <string>
#include <vector>

#include "nn/compact_linear.h"
#include "nn/decoder/cache.h"
#include "nn/decoder/offset_norm.h"
#include "nn/decoder/rotary.h"
#include "nn/decoder/sharding.h"
#include "nn/decoder/visibility.h"
#include "runtime/module.h"

namespace torchsight {

/// What all layers share of one pass over T new tokens of B rows.
struct DecoderPass {
  int64_t batch;
  int64_t tokens;
  Rotation rotation;
  Visibility visibility;     // of a pass over several tokens
  KvCache* cache = nullptr;  // null: the tokens see each other alone
  /// Where the one token of each row goes in the cache, all of whose memory the masks of
  /// `visibility` then stand for: int64 [1] on the device. Undefined: behind what was read.
  at::Tensor place_1 = {};
};

class DecoderLayer {
 public:
  DecoderLayer(const DecoderShare& share, int64_t index, const ModuleOptions& options);

  /// Rows [B T, d] to the same after the layer. May use the memory of `x`.
  at::Tensor forward(at::Tensor x_Rd, const DecoderPass& pass);

  /// Adds the parameters under transformers' names, drawn as it draws them.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);
  /// Keeps the matrices as 8-bit integers from now on.
  void quantize();

 private:
  at::Tensor attention(const at::Tensor& x_Rd, const DecoderPass& pass);
  // The new tokens are all there is, and each sees those before it.
  at::Tensor attend_causal(const at::Tensor& q_BTHe, const at::Tensor& k_BKMe,
                           const at::Tensor& v_BKMe) const;
  at::Tensor attend_masked(const at::Tensor& q_BTHe, const at::Tensor& k_BKMe,
                           const at::Tensor& v_BKMe, const DecoderPass& pass) const;
  at::Tensor attend_next(const at::Tensor& q_BTHe, const DecoderPass& pass) const;
  at::Tensor mlp(const at::Tensor& x_Rd);

  DecoderShare share_;
  DecoderConfig config_;  // of what this rank holds
  int64_t index_;
  OffsetNorm attention_norm_, mlp_norm_;
  OffsetNorm attention_result_norm_, mlp_result_norm_;  // Gemma 2 only
  CompactLinear qkv_, out_, gate_up_, down_;
  at::Tensor qkv_bias_, out_bias_;  // undefined where there is none
};

}  // namespace torchsight
