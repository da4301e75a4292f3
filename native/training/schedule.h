// How the learning rate moves over a run.
#pragma once

#include <cstdint>

#include "io/json.h"

namespace torchsight {

/// A schedule of big_vision's `create_learning_rate_schedule`, which ViT-22B was trained with.
struct Schedule {
  enum class Kind { kConstant, kLinear, kCosine, kReciprocalSqrt };

  Kind kind = Kind::kConstant;
  double peak = 1e-3;
  int64_t steps = 0;     // of the whole run; 0: not known, which only kConstant and kRsqrt allow
  int64_t warmup = 0;    // steps in which the rate rises from 0
  int64_t cooldown = 0;  // steps in which it falls to 0 at the end
  double end = 0;        // kLinear: the rate of the last step
  double timescale = 10'000;  // kReciprocalSqrt: steps after which it is peak / sqrt(2)
  int64_t shift = 0;          // kReciprocalSqrt: as if so many steps had been made before

  /// The rate of step `step`, from 0.
  double at(int64_t step) const;

  /// Of `{kind, peak, steps, warmup, cooldown, end, timescale, shift}`. Throws
  /// `Error(kBadConfig)`.
  static Schedule from_json(const Json& json);
};

}  // namespace torchsight
