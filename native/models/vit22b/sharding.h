// What is cut where when ranks compute one ViT-22B together, and how tokens move between them
// (arXiv 2302.05442, section 3, mapped onto token-parallel collectives). The maths is elsewhere.
#pragma once

#include <memory>
#include <optional>

#include "distributed/group.h"
#include "models/vit22b/config.h"
#include "runtime/module.h"

namespace torchsight::vit22b {

/// The size of one call.
struct Extent {
  int64_t batch;   // B
  int64_t tokens;  // N
};

/// Layout `tokens`: the residual stream is split over tokens, weights over heads and hidden units.
///
/// | tensor                                 | rank r of T holds                                  |
/// |----------------------------------------|----------------------------------------------------|
/// | q, k, v weights and biases             | rows of heads r H/T ..., each cut by itself        |
/// | fc1 weight and bias                    | rows r F/T ...                                     |
/// | out and fc2 weights                    | columns of the same heads and hidden units         |
/// | q_norm, k_norm scales, one per head    | rows of its heads; shared scales whole             |
/// | out and fc2 biases, norms, positions, patches, MAP head, classifier | whole                 |
///
/// The stream is kept as rows [tokens, batch] with tokens first, padded to a multiple of T, so that
/// a rank's tokens are one piece of dimension 0. Without a group, as rows [batch, tokens].
class Sharding {
 public:
  /// Throws `Error(kBadConfig)` where heads or hidden units do not divide by the ranks, and for
  /// layouts that are not there.
  Sharding(const Config& config, const ModuleOptions& options);

  bool sharded() const { return group_ != nullptr; }
  int64_t size() const { return sharded() ? group_->size() : 1; }
  /// This rank's share of `full` entries.
  int64_t share(int64_t full) const { return full / size(); }
  /// The same as a cut of dimension `dim`; nothing without a group.
  std::optional<Cut> cut(int64_t dim, int64_t full) const;

  /// [B, N, d] of all tokens, which every rank has, to the stream's rows of this rank.
  at::Tensor split(const at::Tensor& x_BNd) const;
  /// The inverse: the stream's rows of all ranks as [B, N, d].
  at::Tensor join(const at::Tensor& x_Rd, const Extent& extent) const;
  /// Rows of this rank's tokens to rows of all tokens.
  at::Tensor gather(const at::Tensor& x_Rd) const;
  /// Rows of all tokens, a partial sum on each rank, to complete rows of this rank's tokens.
  at::Tensor reduce(const at::Tensor& partial_Rd) const;

  /// Rows of all tokens as [B, N, w], and back. Views where there is no group.
  at::Tensor batched(const at::Tensor& x_Rw, const Extent& extent) const;
  at::Tensor rows(const at::Tensor& x_BNw, const Extent& extent) const;

  /// [B, H/T, N, e] of every rank to [B, H, N, e].
  at::Tensor join_heads(const at::Tensor& x_BHNe) const;
  /// `attention_statistics` of each rank's heads to those of all heads.
  at::Tensor join_statistics(const at::Tensor& largest_and_entropy) const;

  /// The point between two layers: polls the job, and with a group lets all ranks leave together.
  void checkpoint(JobContext& context) const;

 private:
  int64_t padded(int64_t tokens) const { return (tokens + size() - 1) / size() * size(); }

  std::shared_ptr<Group> group_;
  at::ScalarType reduce_dtype_;
};

}  // namespace torchsight::vit22b
