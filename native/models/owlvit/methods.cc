// What the methods of an OWL-ViT take and give.
#include "models/owlvit/owlvit.h"

namespace torchsight::owlvit {
namespace {

const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kIds{at::kLong};

// An input or output whose first dimension is the batch.
TensorSpec batched(std::string name, std::vector<at::ScalarType> dtypes,
                   std::vector<std::string> shape, bool optional = false) {
  return {std::move(name), std::move(dtypes), std::move(shape), optional, /*batch_axis=*/0};
}

MethodSchema schema(std::string name, std::string doc, std::vector<TensorSpec> inputs,
                    std::vector<TensorSpec> outputs, std::vector<OptionSpec> options = {}) {
  return {std::move(name),    std::move(doc),     std::move(inputs),
          std::move(outputs), std::move(options), {}};
}

}  // namespace

void OwlViT::add_methods() {
  const std::string d = std::to_string(config_.vision.width),
                    channels = std::to_string(config_.channels);
  const std::string E = std::to_string(config_.embedding);
  const auto pixels = [&](const char* name, const char* height, const char* width) {
    return batched(name, kFloats, {"B", channels, height, width});
  };
  const auto texts = [](const char* count) {
    return std::vector<TensorSpec>{
        batched("input_ids", kIds, {count, "L"}),
        batched("attention_mask", {at::kLong, at::kBool}, {count, "L"}, true)};
  };
  // As many texts for each picture.
  std::vector<TensorSpec> detected = texts("B*Q");
  detected.insert(detected.begin(), pixels("pixel_values", "height", "width"));
  const TensorSpec logits = batched("logits", {}, {"B", "P", "Q"});
  const TensorSpec boxes = batched("pred_boxes", {}, {"B", "P", "4"});
  const TensorSpec features = batched("image_embeds", {}, {"B", "h", "w", d});
  const TensorSpec embeds = batched("class_embeds", {}, {"B", "P", E});
  const TensorSpec objectness = batched("objectness_logits", {}, {"B", "P"});
  const auto with_objectness = [&](std::vector<TensorSpec> outputs) {
    if (objectness_head_) outputs.push_back(objectness);
    return outputs;
  };
  const std::vector<OptionSpec> sizes{
      {"interpolate_pos_encoding", "bool", Json(false),
       "take pictures of any size: positions are resized (bicubic)"},
      {"truncate_pos_encoding", "bool", Json(false),
       "take smaller pictures: the top left of the positions is used"}};

  add_method(
      schema("detect", "Boxes of pictures and how well each fits each text.", std::move(detected),
             with_objectness(
                 {logits, boxes, features, batched("text_embeds", {}, {"B", "Q", E}), embeds}),
             sizes),
      [this](Call& call, JobContext& context) { return detect(call, context); });
  add_method(
      schema("detect_image_guided",
             "Boxes of pictures and how well each fits what another picture shows.",
             {pixels("pixel_values", "height", "width"),
              pixels("query_pixel_values", "query_height", "query_width")},
             {logits, batched("target_pred_boxes", {}, {"B", "P", "4"}),
              batched("query_pred_boxes", {}, {"B", "R", "4"}), features,
              batched("query_image_embeds", {}, {"B", "u", "v", d}), embeds},
             sizes),
      [this](Call& call, JobContext& context) { return detect_image_guided(call, context); });
  add_method(schema("embed_image", "All that is known of pictures without a query.",
                    {pixels("pixel_values", "height", "width")},
                    with_objectness({features, embeds, batched("logit_shift", {}, {"B", "P"}),
                                     batched("logit_scale", {}, {"B", "P"}), boxes}),
                    sizes),
             [this](Call& call, JobContext& context) { return embed_image(call, context); });
  add_method(schema("embed_text", "Embeddings of texts, of unit length.", texts("N"),
                    {batched("text_embeds", {}, {"N", E})}),
             [this](Call& call, JobContext& context) { return embed_text(call, context); });
  add_method(schema("query", "How well each patch of embedded pictures fits each query.",
                    {batched("class_embeds", kFloats, {"B", "P", E}),
                     batched("logit_shift", kFloats, {"B", "P"}),
                     batched("logit_scale", kFloats, {"B", "P"}),
                     batched("query_embeds", kFloats, {"B", "Q", E}),
                     batched("query_mask", {at::kBool}, {"B", "Q"}, true)},
                    {logits}),
             [this](Call& call, JobContext& context) { return query(call, context); });
  add_method(schema("select_query", "The patch that stands for what embedded pictures show.",
                    {batched("class_embeds", kFloats, {"B", "P", E}),
                     batched("pred_boxes", kFloats, {"B", "P", "4"}),
                     batched("objectness_logits", kFloats, {"B", "P"}, true),
                     batched("query_boxes", kFloats, {"B", "4"}, true)},
                    {batched("query_embeds", {}, {"B", E}), batched("query_indices", {}, {"B"})},
                    {{"strategy", "string", Json("dissimilar"),
                      "among the boxes that fit: dissimilar (from all others) or objectness"}}),
             [this](Call& call, JobContext& context) { return select(call, context); });
}

}  // namespace torchsight::owlvit
