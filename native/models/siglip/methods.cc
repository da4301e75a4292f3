// What the methods take and give. Names are transformers'.
#include <ATen/core/Tensor.h>

#include "models/siglip/siglip.h"

namespace torchsight::siglip {
namespace {

const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kMasks{at::kLong, at::kBool, at::kFloat};

}  // namespace

std::vector<TensorSpec> Siglip::picture_specs(bool optional) const {
  const SiglipVisionConfig& vision = *config_.vision;
  if (!config_.flexible) {
    const std::string channels = std::to_string(vision.channels);
    return {{"pixel_values", kFloats, {"B", channels, "height", "width"}, optional, 0}};
  }
  const std::string values = std::to_string(vision.channels * vision.patch * vision.patch);
  return {{"pixel_values", kFloats, {"B", "N", values}, optional, 0},
          {"pixel_attention_mask", kMasks, {"B", "N"}, optional, 0},
          {"spatial_shapes", {at::kLong}, {"B", "2"}, optional, 0}};
}

std::vector<TensorSpec> Siglip::text_specs(bool optional) const {
  return {{"input_ids", {at::kLong}, {"T", "L"}, optional, 0},
          {"attention_mask", kMasks, {"T", "L"}, true, 0}};
}

std::vector<TensorSpec> Siglip::encoded_specs(bool pictures) const {
  const EncoderConfig& encoder = pictures ? config_.vision->encoder : config_.text->encoder;
  const std::string batch = pictures ? "B" : "T", tokens = pictures ? "N" : "L";
  std::vector<TensorSpec> specs{
      {"last_hidden_state", {}, {batch, tokens, std::to_string(encoder.width)}, false, 0}};
  if (!pictures || config_.vision->head) {
    const int64_t pooled = pictures ? encoder.width : config_.text->projection;
    specs.push_back({"pooler_output", {}, {batch, std::to_string(pooled)}, false, 0});
  }
  return specs;
}

void Siglip::add_methods() {
  std::vector<OptionSpec> sizes;
  if (config_.vision && !config_.flexible) {
    sizes = {{"interpolate_pos_encoding", "bool", Json(false),
              "take pictures of any size: positions are resized (bicubic)"}};
  }
  const auto add_encode = [&](const char* name, const char* doc, bool pictures,
                              const char* embeds) {
    std::vector<TensorSpec> outputs = encoded_specs(pictures);
    if (embeds) {
      TensorSpec spec = outputs.back();
      spec.name = embeds;
      outputs.push_back(spec);
    }
    add_method({name, doc, pictures ? picture_specs(false) : text_specs(false), outputs,
                pictures ? sizes : std::vector<OptionSpec>{}},
               [this, pictures, embeds](Call& call, JobContext& context) {
                 return encode(call, context, pictures, embeds);
               });
  };
  if (!config_.both()) {
    const bool pictures = config_.vision.has_value();
    add_encode("encode",
               pictures ? "Features of pictures: every patch, and one vector."
                        : "Features of texts: every token, and one vector.",
               pictures, nullptr);
    return;
  }
  add_encode("encode_image", "Features of pictures, and embeddings of unit length.", true,
             "image_embeds");
  add_encode("encode_text", "Features of texts, and embeddings of unit length.", false,
             "text_embeds");
  const std::string E = std::to_string(config_.text->projection);
  std::vector<TensorSpec> inputs = picture_specs(true);
  for (TensorSpec& spec : text_specs(true)) inputs.push_back(std::move(spec));
  inputs.push_back({"image_embeds", kFloats, {"B", E}, true, 0});
  inputs.push_back({"text_embeds", kFloats, {"T", E}, true, 0});
  add_method({"similarity",
              "How well each picture fits each text: logits, whose sigmoid is a probability.",
              std::move(inputs),
              {{"logits_per_image", {}, {"B", "T"}, false, 0},
               {"logits_per_text", {}, {"T", "B"}, false, 0},
               {"image_embeds", {}, {"B", E}, false, 0},
               {"text_embeds", {}, {"T", E}, false, 0}},
              std::move(sizes)},
             [this](Call& call, JobContext& context) { return similarity(call, context); });
}

}  // namespace torchsight::siglip
