// One stage's whole way from noise to video, as one job.
#pragma once

#include "models/imagen_video/config.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

/// The method `sample`.
MethodSchema sample_schema(const Config& config);

/// Runs it with the network of `stage`, whose weights have that `memory`: `video`, float32
/// [B, C, T, H, W] in [-1, 1]. Streams `preview`, uint8 [B, T, h, w, C], and `step`, and tells its
/// progress in evaluations of the network. Throws `Error(kBadInput | kShape | kBadConfig |
/// kUnsupported)` naming stage and tensor, and `Error(kDiverged)` where the network says what is no
/// number.
NamedTensors sample_video(Module& stage, const Config& config, const at::TensorOptions& memory,
                          const Call& call, JobContext& context);

}  // namespace torchsight::imagen_video
