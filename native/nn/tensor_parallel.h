// Layers of a transformer that the ranks of a group compute together: what each holds, and how the
// residual stream moves between them (arXiv 2302.05442, section 3, mapped onto c10d).
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/parallel_products.h"
#include "runtime/module.h"
#include "runtime/votes.h"

namespace torchsight {

/// The size of one call.
struct Extent {
  int64_t batch;   // B
  int64_t tokens;  // N
};

/// Rows of the stream: [tokens, batch] of this rank's tokens in layout `tokens`, so that they are
/// one piece of dimension 0; [batch, tokens] otherwise. What takes the stream from one rank's rows
/// to another's has a derivative where gradients are enabled, but for taps and statistics.
class TensorParallel {
 public:
  /// One rank alone, for which everything is the identity.
  TensorParallel() = default;
  /// The group of `options` (none: alone), and of its extra options `layout` (tokens), `overlap`
  /// (auto, ring, none), `pieces` (1), `reduceDtype` (float32, or the model's dtype) and
  /// `messageDelay` (microseconds, for measuring). Throws `Error(kBadConfig)` for others.
  explicit TensorParallel(const ModuleOptions& options);
  /// The same in layout `replicated`, whatever the options say.
  static TensorParallel replicated(ModuleOptions options);

  bool sharded() const { return group_ != nullptr; }
  Layout layout() const { return layout_; }
  /// Whether each rank has a part of the stream, so that the gradient of what acts on it but is not
  /// cut is the sum of the ranks' gradients.
  bool divides_stream() const { return sharded() && layout_ != Layout::kReplicated; }
  int64_t size() const { return sharded() ? group_->size() : 1; }
  int64_t rank() const { return sharded() ? group_->rank() : 0; }
  /// Throws `Error(kBadConfig)` naming what does not divide by the ranks.
  void check_divisible(int64_t value, std::string_view name) const;
  /// This rank's share of `full` entries.
  int64_t share(int64_t full) const { return full / size(); }
  /// The same as a cut of dimension `dim`; nothing for a rank alone.
  std::optional<Cut> cut(int64_t dim, int64_t full) const;

  /// [B, N, d], which every rank has, to the stream's rows of this rank, and back.
  at::Tensor split(const at::Tensor& x_BNd) const;
  at::Tensor join(const at::Tensor& x_Rd, const Extent& extent) const;
  /// Rows of all tokens as [B, N, w], and back. Views but for layout `tokens`.
  at::Tensor batched(const at::Tensor& x_Rw, const Extent& extent) const;
  at::Tensor rows(const at::Tensor& x_BNw, const Extent& extent) const;
  /// [B, H/T, N, e] of every rank to [B, H, N, e].
  at::Tensor join_heads(const at::Tensor& x_BHNe) const;
  /// `attention_statistics` of each rank's heads to those of all heads.
  at::Tensor join_statistics(const at::Tensor& largest_and_entropy) const;

  /// The norm of the stream's rows over all features.
  at::Tensor normalize(const Norm& norm, const at::Tensor& x_Rd) const;
  /// The stream through layers whose outputs are cut: rows of all tokens, [R, w] for each section.
  std::vector<at::Tensor> enter(FusedLinear& layer, const at::Tensor& x_Rd) const;

  /// A layer whose inputs are cut, and rows of all tokens for it.
  struct Exit {
    Linear& layer;
    at::Tensor in_Rw;
  };
  /// The stream with the products of `exits`, summed over the ranks, and one bias added. Uses the
  /// memory of `x` where no derivative is needed.
  at::Tensor leave(at::Tensor x_Rd, const std::vector<Exit>& exits, const at::Tensor& bias_d) const;

  /// The sum over the ranks, in the dtype of `partial`, whose memory may be used.
  at::Tensor sum(at::Tensor partial) const;
  /// Columns of every rank, [R, w] of each, to all of them: [R, T w].
  at::Tensor join_columns(const at::Tensor& x_Rw) const;

  /// What lets all ranks leave between two layers of a call.
  Votes votes(JobContext& context) const { return Votes(group_.get(), context); }
  /// The same at a single point, where all ranks wait for the vote.
  void checkpoint(JobContext& context) const;

 private:
  int64_t padded(int64_t tokens) const { return (tokens + size() - 1) / size() * size(); }
  at::Tensor own_features(const at::Tensor& vector_d) const;
  ProductRanks products() const { return {group_, layout_, ring_, reduce_dtype_}; }
  at::Tensor sum_of_products(const std::vector<Exit>& exits, int64_t begin, int64_t count) const;

  std::shared_ptr<Group> group_;
  Layout layout_ = Layout::kReplicated;
  RingOptions ring_;
  at::ScalarType reduce_dtype_ = at::kFloat;
};

}  // namespace torchsight
