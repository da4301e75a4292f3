#include "training/trainer_options.h"

#include "runtime/config_reader.h"

namespace torchsight {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;
constexpr double kLargestNorm = 1e12;

}  // namespace

TrainerOptions TrainerOptions::from_json(const Json& json) {
  const ConfigReader reader(json);
  TrainerOptions options;
  const Json* schedule = json.find("schedule");
  const Json* groups = json.find("groups");
  const Json* adapters = json.find("adapters");
  options.schedule = Schedule::from_json(schedule ? *schedule : Json(Json::Object{}));
  if (groups) options.groups = groups_from_json(*groups);
  if (adapters) options.adapters = AdapterOptions::from_json(*adapters);
  options.clip = reader.non_negative("clip", kLargestNorm, 0);
  options.clip_per_example = reader.non_negative("clipPerExample", kLargestNorm, 0);
  options.ema = reader.non_negative("ema", 1, 0);
  options.accumulate = reader.size("accumulate", kMost, 1);
  options.autocast = reader.choice<std::optional<at::ScalarType>>(
      "autocast", {{"none", std::nullopt}, {"bfloat16", at::kBFloat16}});
  options.recompute = reader.flag("recompute", false);
  options.telemetry = reader.flag("telemetry", false);
  options.shard_optimizer = reader.flag("shardOptimizer", false);
  options.bucket_bytes = reader.size("bucketBytes", kMost, options.bucket_bytes);
  if (options.clip_per_example > 0 && options.accumulate > 1) {
    reader.refuse("1, since each example is a part by itself with clipPerExample,", "accumulate",
                  std::to_string(options.accumulate));
  }
  return options;
}

}  // namespace torchsight
