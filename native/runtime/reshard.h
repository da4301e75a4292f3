// A checkpoint of any form as files of another number of ranks, tensor by tensor.
#pragma once

#include "runtime/load_plan.h"
#include "runtime/save.h"

namespace torchsight {

struct ReshardRequest {
  Json config;
  LoadPlan plan;      // from the checkpoint at hand to the model's parameters
  int64_t ranks = 1;  // 1: an ordinary checkpoint
  Json extra;         // options of the system, e.g. {"layout": "tokens"}
  SaveOptions save;

  /// Parses a `ReshardRequest` of lib/native/addon.ts. Throws `Error(kBadInput)`.
  static ReshardRequest from_json(const Json& json);
};

/// Writes what each of `ranks` ranks of the model would hold, under the names of the checkpoint
/// contract and in the dtypes of the checkpoint at hand. No model is made and no more than one
/// tensor, or a rank's part of one, is in memory at a time. Throws `Error(kBadConfig)` where the
/// model does not divide by the ranks, with the numbers that it divides by.
void reshard(const ReshardRequest& request, JobContext& context);

}  // namespace torchsight
