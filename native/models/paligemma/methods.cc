// What the methods take and give. Names are transformers' where it has them.
#include <ATen/core/Tensor.h>

#include "models/paligemma/paligemma.h"

namespace torchsight::paligemma {
namespace {

const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};

OptionSpec position_resize() {
  return {"position_resize", "string", Json("none"),
          "take pictures of other sizes: positions are resized, bicubic or linear"};
}

}  // namespace

std::vector<TensorSpec> PaliGemma::prompt_specs() const {
  const std::string channels = std::to_string(config_.vision.channels);
  const std::string width = std::to_string(config_.text.width);
  std::vector<TensorSpec> specs = token_specs();
  // 0 where a token belongs to the prefix, whose tokens all see each other; 1 behind it.
  specs.push_back({"token_type_ids", {at::kLong}, {"B", "T"}, true, 0});
  specs.push_back({"pixel_values", kFloats, {"I", channels, "height", "width"}, true});
  specs.push_back({"image_hidden_states", kFloats, {"I", "N", width}, true});
  return specs;
}

void PaliGemma::add_methods() {
  const std::string width = std::to_string(config_.text.width);
  const TensorSpec hidden{"image_hidden_states", {}, {"I", "N", width}, true, 0};
  const auto with_resize = [](MethodSchema schema) {
    schema.options.push_back(position_resize());
    return schema;
  };
  std::vector<TensorSpec> pixels{{"pixel_values",
                                  kFloats,
                                  {"I", std::to_string(config_.vision.channels), "height", "width"},
                                  false,
                                  0}};
  add_method({"encode_images",
              "Pictures as the decoder reads them: vectors of patches, and their mean.",
              std::move(pixels),
              {hidden, {"image_embeds", {}, {"I", width}, false, 0}},
              {position_resize()}},
             [this](Call& call, JobContext& context) { return encode_images(call, context); });
  MethodSchema forwards = with_resize(forward_schema(config_.text, prompt_specs()));
  forwards.outputs.push_back(hidden);
  add_method(std::move(forwards),
             [this](Call& call, JobContext& context) { return forward(call, context); });
  add_method(with_resize(score_schema(prompt_specs())),
             [this](Call& call, JobContext& context) { return score(call, context); });
  add_method(with_resize(generate_schema(prompt_specs())),
             [this](Call& call, JobContext& context) { return generate(call, context); });
}

}  // namespace torchsight::paligemma
