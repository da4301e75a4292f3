// What a stage of the cascade is trained for.
#pragma once

#include <memory>

#include "models/imagen_video/imagen_video.h"
#include "training/objective.h"

namespace torchsight::imagen_video {

/// By `options.loss`:
///
/// - `denoising` (default): to tell noise from video at a level that is drawn evenly in t (Ho et
///   al., arXiv 2210.02303, section 2.2);
/// - `guidance`: to say at once what the stage as it is now says with guidance, whose weight is an
///   input of the stage (Meng et al., arXiv 2210.03142, section 3.1);
/// - `progressive`: to go in one step as far as the stage as it is now goes in two (Salimans and
///   Ho, arXiv 2202.00512).
///
/// `options.diffusion` has `prediction` and the fields of `LossOptions` and `BatchOptions`;
/// `guidance_least` and `guidance_most` (0 and 4): the weights of a stage that takes them; `steps`:
/// those of the student of `progressive`. The teacher is a copy of the stage, kept in checkpoints.
/// Throws `Error(kBadConfig)`.
std::unique_ptr<Objective> objective_of_stage(Stage& stage, const Json& options);

}  // namespace torchsight::imagen_video
