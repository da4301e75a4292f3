// What a trainer is told.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <vector>

#include "io/json.h"
#include "training/adapters.h"
#include "training/schedule.h"
#include "training/weights.h"

namespace torchsight {

struct TrainerOptions {
  Schedule schedule;
  std::vector<GroupOptions> groups;
  std::optional<AdapterOptions> adapters;
  double clip = 0;              // 0: never
  double clip_per_example = 0;  // 0: never
  double ema = 0;               // 0: no averages
  int64_t accumulate = 1;
  std::optional<at::ScalarType> autocast;
  bool recompute = false;
  bool telemetry = false;
  bool shard_optimizer = false;       // over replicas
  int64_t bucket_bytes = 25'000'000;  // of gradients that replicas sum at once

  /// Of `{schedule, groups, adapters, clip, clipPerExample, ema, accumulate, autocast, recompute,
  /// telemetry, shardOptimizer, bucketBytes}`. Throws `Error(kBadConfig)`.
  static TrainerOptions from_json(const Json& json);
};

}  // namespace torchsight
