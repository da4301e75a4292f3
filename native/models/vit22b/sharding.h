// What is cut where when ranks compute one ViT-22B together.
#pragma once

#include "models/vit22b/config.h"
#include "nn/tensor_parallel.h"

namespace torchsight::vit22b {

/// | tensor                                 | rank r of T holds                                  |
/// |----------------------------------------|----------------------------------------------------|
/// | q, k, v weights and biases             | rows of heads r H/T ..., each cut by itself        |
/// | fc1 weight and bias                    | rows r F/T ...                                     |
/// | out and fc2 weights                    | columns of the same heads and hidden units         |
/// | q_norm, k_norm scales, one per head    | rows of its heads; shared scales whole             |
/// | out and fc2 biases, norms, positions, patches, MAP head, classifier | whole                 |
///
/// in all layouts. The gradients of what is whole are whole as well, but for what acts on one
/// rank's part of the work: norms, positions, patches and the biases in layouts that divide the
/// stream, and shared scales of q_norm and k_norm in all. Theirs are sums over the ranks. Throws
/// `Error(kBadConfig)` where heads or hidden units do not divide by the ranks; features do where
/// heads do.
TensorParallel shard(const Config& config, const ModuleOptions& options);

/// Marks as `partial` those of these parameters of the layers and the embedding that are.
void mark_partial(std::vector<Parameter>& parameters, const TensorParallel& ranks);

}  // namespace torchsight::vit22b
