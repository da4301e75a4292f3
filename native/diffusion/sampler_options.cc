#include "diffusion/sampler.h"

namespace torchsight::diffusion {
namespace {

constexpr int64_t kMostSteps = 100'000;
constexpr int64_t kMostCorrections = 100;

}  // namespace

int64_t SamplerOptions::evaluations(int64_t repeats) const {
  const int64_t made = steps - skip;
  // The last step ends at data, which is neither corrected nor gone back from.
  return (made - 1) * (repeats + corrections) + 1;
}

SamplerOptions SamplerOptions::from_json(const Json& json) {
  const ConfigReader reader(json, "sampler.");
  SamplerOptions options;
  options.kind = reader.choice<Kind>(
      "kind",
      {{"ddim", Kind::kDdim}, {"ancestral", Kind::kAncestral}, {"stochastic", Kind::kStochastic}});
  options.steps = reader.size("steps", kMostSteps, options.steps);
  options.skip = reader.size("skip", options.steps - 1, 0, 0);
  options.gamma = reader.number("gamma", 0, 1, options.gamma);
  options.corrections = reader.size("corrections", kMostCorrections, 0, 0);
  options.delta = reader.positive("delta", 1, options.delta);
  options.preview_every = reader.size("preview_every", kMostSteps, 0, 0);
  if (const Json* guidance = json.find("guidance"); guidance && !guidance->is_null()) {
    options.guidance = Guidance::from_json(*guidance);
  }
  if (const Json* threshold = json.find("threshold"); threshold && !threshold->is_null()) {
    options.threshold = Threshold::from_json(*threshold);
  }
  return options;
}

}  // namespace torchsight::diffusion
