#include "models/imagen_video/sampling_options.h"

#include "runtime/error.h"

namespace torchsight::imagen_video {
namespace {

using diffusion::Known;

constexpr int64_t kMostFrames = 1 << 12, kMostPixels = 1 << 14, kMostStages = 1 << 10;
constexpr int64_t kMostRepeats = 100;
constexpr double kMostRatio = 1e6, kMostWeight = 1000;

// Sampler, guidance, threshold and previews, which are options of their own, in one.
diffusion::SamplerOptions sampler_of(const Json& json) {
  const Json* given = json.find("sampler");
  Json sampler = given && !given->is_null() ? *given : Json(Json::Object{});
  sampler.as_object("sampler");
  for (const char* name : {"guidance", "threshold", "preview_every"}) {
    if (const Json* value = json.find(name)) sampler.set(name, *value);
  }
  return diffusion::SamplerOptions::from_json(sampler);
}

Known known_of(const ConfigReader& reader) {
  Known known;
  known.method =
      reader.choice<Known::Method>("method", {{"reconstruction", Known::Method::kReconstruction},
                                              {"replacement", Known::Method::kReplacement}});
  known.weight = reader.non_negative("weight", kMostWeight, known.weight);
  known.repeats = reader.size("repeats", kMostRepeats, known.repeats);
  return known;
}

void check_sides(const SamplingOptions& options, const Config& config) {
  const int64_t stride = config.stride();
  for (const auto& [side, value] :
       {std::pair{"height", options.shape.height}, {"width", options.shape.width}}) {
    if (options.pad || value % stride == 0) continue;
    throw Error(ErrorCode::kShape, "expected a multiple of " + std::to_string(stride) +
                                       " for the " + side + " of stage " + options.name +
                                       " but received " + std::to_string(value));
  }
}

void check_network(const SamplingOptions& options, const Config& config) {
  const bool one = options.sampler.guidance.passes == diffusion::Guidance::Passes::kOne;
  const std::string stage = "stage " + options.name;
  if (one != config.guidance_input) {
    throw Error(ErrorCode::kBadConfig,
                std::string("expected ") + (one ? "together or apart" : "one") +
                    " for the passes of guidance of " + stage + ", whose network " +
                    (one ? "does not take" : "takes") + " the weight");
  }
  if (options.tiling.size > 0 && config.any_self()) {
    throw Error(ErrorCode::kUnsupported,
                "expected no tiles for " + stage + ", whose pixels see all of their frame");
  }
}

}  // namespace

std::vector<OptionSpec> SamplingOptions::specs() {
  return {{"seeds", "int[]", nullptr, "one for each sample", false},
          {"stream", "int", 0, "of several that a seed serves: the place of the stage"},
          {"name", "string", "stage", "what errors and progress call the stage"},
          {"frames", "int", nullptr, "of the video", false},
          {"height", "int", nullptr, "of the video", false},
          {"width", "int", nullptr, "of the video", false},
          {"prediction", "string", "v", "what the network says: v, epsilon or x"},
          {"schedule", "json", nullptr, "{kind, logsnr_min, logsnr_max, logsnr_shift}"},
          {"sampler", "json", nullptr, "{kind, steps, skip, gamma, corrections, delta}"},
          {"guidance", "json", nullptr, "w, or {weight | scale, low, lead, passes}"},
          {"threshold", "json", nullptr, "static, dynamic, none, or {percentile, most}"},
          {"augmentation_snr", "float", nullptr, "of the noise on the small video; none without"},
          {"fill", "string", "repeat", "frames that the small video lacks: repeat or blank"},
          {"align_corners", "bool", false, "of the bilinear resize"},
          {"known", "json", nullptr, "{method: reconstruction | replacement, weight, repeats}"},
          {"tile", "json", nullptr, "{size, overlap, halo} in pixels"},
          {"pad", "bool", false, "pad sizes that do not divide, and crop the result"},
          {"preview_every", "int", 0, "steps between streamed previews; 0: none"},
          {"preview_size", "int", 64, "pixels of a preview's longer side"}};
}

SamplingOptions SamplingOptions::from_json(const Json& json, const Config& config) {
  const ConfigReader reader(json);
  SamplingOptions options;
  options.name = json.get("name", "stage");
  options.seeds = json.at("seeds").as_ints("seeds");
  if (options.seeds.empty()) reader.refuse("a seed for each sample", "seeds", "none");
  options.stream = reader.size("stream", kMostStages, 0, 0);
  options.shape.frames = reader.size("frames", kMostFrames);
  options.shape.height = reader.size("height", kMostPixels);
  options.shape.width = reader.size("width", kMostPixels);
  options.shape.fill =
      reader.choice<Fill>("fill", {{"repeat", Fill::kRepeat}, {"blank", Fill::kBlank}});
  options.shape.align_corners = reader.flag("align_corners", false);
  options.prediction = diffusion::prediction_from_json(reader, "prediction");
  options.schedule = diffusion::NoiseSchedule::from_json(reader.section("schedule"));
  options.sampler = sampler_of(json);
  options.augmentation_snr = reader.positive("augmentation_snr", kMostRatio, 0);
  options.known = known_of(reader.section("known"));
  if (const Json* tile = json.find("tile"); tile && !tile->is_null()) {
    options.tiling = Tiling::from_json(*tile, config.stride());
  }
  options.pad = reader.flag("pad", false);
  options.preview_size = reader.size("preview_size", kMostPixels, 64);
  check_sides(options, config);
  check_network(options, config);
  return options;
}

}  // namespace torchsight::imagen_video
