// Low-rank adapters: matrices W that stay as they are, and small ones A and B that are trained so
// that W + alpha/rank B A takes W's place (Hu et al., "LoRA", arXiv 2106.09685).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "runtime/module.h"
#include "training/weights.h"

namespace torchsight {

struct AdapterOptions {
  std::vector<std::string> patterns;  // of names of matrices, with * for anything
  int64_t rank = 8;
  double alpha = 8;
  int64_t seed = 0;

  /// Of `{patterns, rank, alpha, seed}`; alpha is the rank where it is left out. Throws
  /// `Error(kBadConfig)`.
  static AdapterOptions from_json(const Json& json);
};

/// While it lives the module has W + alpha/rank B A in the place of W, so that it computes at its
/// full speed and is saved merged; the W themselves are kept here. Joint matrices of the module are
/// one leaf of autograd, whose gradient is complete; those of A and B follow from it.
class Adapters {
 public:
  /// A as `torch.nn.Linear` draws its weights, B of zeros: nothing has changed yet. Both have the
  /// matrix's dtype, float32 at least. Throws `Error(kBadConfig)` where a pattern fits no matrix,
  /// `Error(kUnsupported)` for matrices without plain memory.
  Adapters(Module& module, const AdapterOptions& options);
  ~Adapters();
  Adapters(const Adapters&) = delete;
  Adapters& operator=(const Adapters&) = delete;

  /// Every A and B, [rank, in] and [out, rank], as weights to train: for `blocks.0.attn.q.weight`
  /// they are `blocks.0.attn.q.lora_A.weight` and `blocks.0.attn.q.lora_B.weight`.
  std::vector<Weight> weights() const;
  /// Whether the parameter of that name has an adapter.
  bool adapts(std::string_view name) const;
  /// The W by the names of their parameters: the memory itself.
  NamedTensors base() const;

  /// Puts W + alpha/rank B A into the module.
  void merge() const;
  /// Puts the W into the module, bit for bit.
  void take_out() const;
  /// Gradients of all A and B of those that a backward pass left at the module's matrices.
  void derive() const;
  /// Forgets the gradients of the module's matrices.
  void clear() const;

 private:
  struct Adapter {
    Weight matrix;  // of the module
    at::Tensor base_OI, a_RI, b_OR;
  };

  std::vector<Adapter> adapters_;
  double scale_;
};

}  // namespace torchsight
