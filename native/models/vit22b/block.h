// One layer of ViT-22B: attention and MLP side by side from one norm (arXiv 2302.05442, section 2),
// or one after the other as in a plain ViT.
#pragma once

#include <string>
#include <vector>

#include "models/vit22b/config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/tensor_parallel.h"
#include "runtime/module.h"

namespace torchsight::vit22b {

/// What a call wants of the layers on the way.
struct Trace {
  Taps& taps;
  bool telemetry = false;
  std::vector<at::Tensor> statistics = {};  // one pair (largest logit, entropy) for each layer
};

class Block {
 public:
  Block(const Config& config, int64_t index, const TensorParallel& ranks,
        const ModuleOptions& options);

  /// The residual stream before the layer to the one after it, as rows of this rank.
  /// May use the memory of `x`.
  at::Tensor forward(at::Tensor x_Rd, const Extent& extent, Trace& trace);

  void add_parameters(std::vector<Parameter>& parameters);
  /// Derives what the forward pass needs from the filled parameters.
  void loaded();

 private:
  at::Tensor attention(const std::vector<at::Tensor>& qkv_Rw, const Extent& extent, Trace& trace);
  at::Tensor parallel(at::Tensor x_Rd, const Extent& extent, Trace& trace);
  at::Tensor sequential(at::Tensor x_Rd, const Extent& extent, Trace& trace);
  /// The biases of both products that leave a parallel layer, added once.
  at::Tensor joint_bias() const;
  std::string name(const char* part) const { return prefix_ + part; }

  Config config_;
  const TensorParallel& ranks_;
  std::string prefix_;  // "blocks.7"
  bool fuse_;
  bool float8_;
  int64_t heads_;  // of this rank

  Norm norm_, norm2_, q_norm_, k_norm_;
  FusedLinear in_;   // parallel: [u|q|k|v], sequential: [q|k|v]
  FusedLinear fc1_;  // sequential only
  Linear out_, fc2_;
  at::Tensor out_bias_, fc2_bias_;
};

}  // namespace torchsight::vit22b
