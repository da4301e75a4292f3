// One stage's whole way from noise to video, as one job.
#pragma once

#include <functional>

#include "models/imagen_video/sampling_options.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

/// What the network says of the inputs of `predict`: [B, C, T, H, W].
using Network = std::function<at::Tensor(NamedTensors inputs, JobContext& context)>;

/// The method `sample`.
MethodSchema sample_schema(const Config& config);

/// Runs it: `video`, float32 [B, C, T, H, W] in [-1, 1]; streams `preview`, uint8 [B, T, h, w, C],
/// and `step`, and tells its progress in evaluations of the network. `memory` is that of the
/// weights. Throws `Error(kBadInput | kShape | kBadConfig | kUnsupported)` naming stage and tensor,
/// and `Error(kDiverged)` where the network says what is no number.
NamedTensors sample_video(const Config& config, const Network& network,
                          const at::TensorOptions& memory, const Call& call, JobContext& context);

}  // namespace torchsight::imagen_video
