// One layer of a plain pre-norm transformer, as in the towers of CLIP and SigLIP:
// x += attention(norm(x)), x += mlp(norm(x)), every projection with a bias.
#pragma once

#include <string>
#include <vector>

#include "nn/encoder_config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/tensor_parallel.h"
#include "runtime/module.h"

namespace torchsight {

/// | tensor                         | rank r of T holds                          |
/// |--------------------------------|--------------------------------------------|
/// | q, k, v weights and biases     | rows of heads r H/T ..., each cut by itself |
/// | fc1 weight and bias            | rows r F/T ...                             |
/// | out and fc2 weights            | columns of the same heads and hidden units |
/// | out and fc2 biases, norms      | whole                                      |
class EncoderLayer {
 public:
  EncoderLayer(const EncoderConfig& config, const TensorParallel& ranks,
               const ModuleOptions& options);

  /// The stream's rows of this rank to the same after the layer. May use the memory of `x`. `mask`,
  /// where defined, broadcasts to [B, H, N, N] and is true where a query may look.
  at::Tensor forward(at::Tensor x_Rd, const Extent& extent, const at::Tensor& mask = {});

  /// Adds the parameters under transformers' names for the layers of CLIP and SigLIP.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  EncoderConfig config_;
  TensorParallel ranks_;
  Norm norm1_, norm2_;
  FusedLinear qkv_, fc1_;
  Linear out_, fc2_;
  at::Tensor out_bias_, fc2_bias_;
};

}  // namespace torchsight
