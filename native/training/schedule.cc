#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/config_reader.h"

namespace torchsight {
namespace {

constexpr int64_t kMostSteps = int64_t{1} << 40;
constexpr double kHighestRate = 1e6;

double ratio(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double Schedule::at(int64_t step) const {
  double rate = peak;
  if (kind == Kind::kLinear || kind == Kind::kCosine) {
    const int64_t length = std::max<int64_t>(1, steps - warmup);
    const double progress = std::clamp(ratio(step - warmup, length), 0.0, 1.0);
    rate = kind == Kind::kLinear ? end + (peak - end) * (1 - progress)
                                 : peak * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  } else if (kind == Kind::kReciprocalSqrt) {
    const auto since = static_cast<double>(shift + std::max<int64_t>(0, step - warmup));
    rate = peak / std::sqrt(1 + since / timescale);
  }
  if (warmup > 0) rate *= std::min(1.0, ratio(step, warmup));
  if (cooldown > 0) rate *= std::clamp(ratio(steps - step, cooldown), 0.0, 1.0);
  return rate;
}

Schedule Schedule::from_json(const Json& json) {
  const ConfigReader reader(json, "schedule.");
  Schedule schedule;
  schedule.kind = reader.choice<Kind>("kind", {{"constant", Kind::kConstant},
                                               {"linear", Kind::kLinear},
                                               {"cosine", Kind::kCosine},
                                               {"rsqrt", Kind::kReciprocalSqrt}});
  schedule.peak = reader.positive("peak", kHighestRate, schedule.peak);
  schedule.steps = reader.size("steps", kMostSteps, 0, 0);
  schedule.warmup = reader.size("warmup", kMostSteps, 0, 0);
  schedule.cooldown = reader.size("cooldown", kMostSteps, 0, 0);
  schedule.end = reader.non_negative("end", kHighestRate, 0);
  schedule.timescale = reader.positive("timescale", kHighestRate, schedule.timescale);
  schedule.shift = reader.size("shift", kMostSteps, 0, 0);
  const bool needs_end =
      schedule.kind == Kind::kLinear || schedule.kind == Kind::kCosine || schedule.cooldown > 0;
  if (needs_end && schedule.steps <= schedule.warmup) {
    reader.refuse("more steps than those of the warm-up", "steps", std::to_string(schedule.steps));
  }
  return schedule;
}

}  // namespace torchsight
