#include "models/owlvit/owlvit.h"

#include <ATen/ATen.h>

#include <cmath>

#include "models/owlvit/image_query.h"
#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight::owlvit {
namespace {

// The whole of a picture as a box.
at::Tensor whole_picture(int64_t batch, const at::TensorOptions& options) {
  const at::Tensor corners_4 = at::cat({at::zeros({2}, options), at::ones({2}, options)});
  return corners_4.expand({batch, 4});
}

// Embeddings of one patch of each picture: [B, P, E] and indices [B] to [B, E].
at::Tensor pick(const at::Tensor& embeds_BPE, const at::Tensor& index_B) {
  const at::Tensor index_B1E =
      index_B.unsqueeze(-1).unsqueeze(-1).expand({-1, 1, embeds_BPE.size(2)});
  return embeds_BPE.gather(1, index_B1E).squeeze(1);
}

Positions positions_of(const Json& options) {
  const bool interpolate = options.get("interpolate_pos_encoding", false);
  const bool truncate = options.get("truncate_pos_encoding", false);
  if (interpolate && truncate) {
    throw Error(ErrorCode::kBadInput,
                "expected interpolate_pos_encoding or truncate_pos_encoding but received both");
  }
  if (truncate) return Positions::kTruncate;
  return interpolate ? Positions::kInterpolate : Positions::kTable;
}

void add_taps(Call& call, NamedTensors& results) {
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
}

}  // namespace

OwlViT::OwlViT(const Config& config, const ModuleOptions& options)
    : config_(config),
      vision_(config, options),
      text_(config, options),
      box_head_(config, 4, options),
      class_head_(config, options),
      visual_projection_(
          at::empty({config.embedding, config.vision.width}, tensor_options(options))),
      logit_scale_(at::empty({}, tensor_options(options))) {
  if (options.group) {
    throw Error(ErrorCode::kUnsupported, "expected one process for a model of type " +
                                             config.model_type + " but received a group of ranks");
  }
  if (config.objectness) objectness_head_.emplace(config, 1, options);
  add_methods();
}

std::vector<std::string> OwlViT::tap_names() const {
  std::vector<std::string> names = vision_.tap_names();
  for (std::string& name : text_.tap_names()) names.push_back(std::move(name));
  return names;
}

std::vector<Parameter> OwlViT::parameters() {
  std::vector<Parameter> parameters;
  const double width = static_cast<double>(config_.vision.width);
  add_parameter(parameters, config_.model_type + ".logit_scale", logit_scale_,
                {Init::Kind::kConstant, config_.logit_scale});
  text_.add_parameters(parameters);
  vision_.add_parameters(parameters);
  add_parameter(parameters, config_.model_type + ".visual_projection.weight", visual_projection_,
                normal(1 / std::sqrt(width)));
  class_head_.add_parameters(parameters);
  // Boxes start as their bias says.
  box_head_.add_parameters(parameters, "box_head", kZeros);
  if (objectness_head_) {
    objectness_head_->add_parameters(parameters, "objectness_head", {Init::Kind::kLecunNormal});
  }
  return parameters;
}

OwlViT::Picture OwlViT::look(const at::Tensor& pixels_BCHW, const Call& call, Trace& trace) {
  Picture picture;
  picture.features_Bhwd = vision_.forward(pixels_BCHW, positions_of(call.options), trace);
  const int64_t batch = pixels_BCHW.size(0);
  const int64_t rows = picture.features_Bhwd.size(1), columns = picture.features_Bhwd.size(2);
  const at::Tensor features_Rd = picture.features_Bhwd.flatten(0, 2);
  picture.classes = class_head_(features_Rd.unflatten(0, {batch, rows * columns}));
  const at::Tensor raw_BP4 = box_head_(features_Rd).unflatten(0, {batch, rows * columns});
  picture.boxes_BP4 =
      at::sigmoid(raw_BP4 + box_bias(rows, columns, config_.box_bias, raw_BP4.device()));
  if (objectness_head_) {
    picture.objectness_BP = (*objectness_head_)(features_Rd).reshape({batch, rows * columns});
  }
  return picture;
}

NamedTensors OwlViT::detect(Call& call, JobContext& context) {
  Trace trace{call.taps, context, static_cast<double>(config_.vision.depth + config_.text.depth)};
  const at::Tensor& pixels_BCHW = call.input("pixel_values");
  const at::Tensor& ids_NL = call.input("input_ids");
  const int64_t batch = pixels_BCHW.size(0), texts = ids_NL.size(0);
  if (batch < 1 || texts < batch || texts % batch != 0) {
    throw Error(ErrorCode::kShape, "expected as many texts for each of " + std::to_string(batch) +
                                       " pictures for input_ids but received " +
                                       std::to_string(texts) + " in all");
  }
  const at::Tensor* mask_NL = find_tensor(call.inputs, "attention_mask");
  const at::Tensor text_NE = text_.forward(ids_NL, mask_NL ? *mask_NL : at::Tensor(), trace);
  const at::Tensor text_BQE = text_NE.unflatten(0, {batch, -1});
  Picture picture = look(pixels_BCHW, call, trace);
  // A text that begins with padding is itself padding.
  const at::Tensor real_BQ = ids_NL.select(1, 0).gt(0).unflatten(0, {batch, -1});
  NamedTensors results{{"logits", query_logits(picture.classes, text_BQE, real_BQ)},
                       {"pred_boxes", picture.boxes_BP4},
                       {"image_embeds", picture.features_Bhwd},
                       {"text_embeds", text_BQE},
                       {"class_embeds", normalized(picture.classes.embeds_BPE)}};
  if (objectness_head_) results.emplace_back("objectness_logits", picture.objectness_BP);
  add_taps(call, results);
  return results;
}

NamedTensors OwlViT::detect_image_guided(Call& call, JobContext& context) {
  Trace trace{call.taps, context, static_cast<double>(2 * config_.vision.depth)};
  // Taps are those of the picture that is searched.
  Taps none;
  Trace query_trace{none, context, trace.layers};
  const Picture query = look(call.input("query_pixel_values"), call, query_trace);
  trace.done = query_trace.done;
  const Picture picture = look(call.input("pixel_values"), call, trace);
  const at::Tensor whole_B4 = whole_picture(query.boxes_BP4.size(0), query.boxes_BP4.options());
  const at::Tensor index_B = select_query(query.boxes_BP4, whole_B4, query.classes.embeds_BPE,
                                          query.objectness_BP, QueryStrategy::kDissimilar);
  const at::Tensor query_B1E = pick(query.classes.embeds_BPE, index_B).unsqueeze(1);
  NamedTensors results{{"logits", query_logits(picture.classes, query_B1E)},
                       {"target_pred_boxes", picture.boxes_BP4},
                       {"query_pred_boxes", query.boxes_BP4},
                       {"image_embeds", picture.features_Bhwd},
                       {"query_image_embeds", query.features_Bhwd},
                       {"class_embeds", normalized(picture.classes.embeds_BPE)}};
  add_taps(call, results);
  return results;
}

NamedTensors OwlViT::embed_image(Call& call, JobContext& context) {
  Trace trace{call.taps, context, static_cast<double>(config_.vision.depth)};
  Picture picture = look(call.input("pixel_values"), call, trace);
  NamedTensors results{{"image_embeds", picture.features_Bhwd},
                       {"class_embeds", picture.classes.embeds_BPE},
                       {"logit_shift", picture.classes.shift_BP},
                       {"logit_scale", picture.classes.scale_BP},
                       {"pred_boxes", picture.boxes_BP4}};
  if (objectness_head_) results.emplace_back("objectness_logits", picture.objectness_BP);
  add_taps(call, results);
  return results;
}

NamedTensors OwlViT::embed_text(Call& call, JobContext& context) {
  Trace trace{call.taps, context, static_cast<double>(config_.text.depth)};
  const at::Tensor* mask_NL = find_tensor(call.inputs, "attention_mask");
  NamedTensors results{{"text_embeds", text_.forward(call.input("input_ids"),
                                                     mask_NL ? *mask_NL : at::Tensor(), trace)}};
  add_taps(call, results);
  return results;
}

NamedTensors OwlViT::query(Call& call, JobContext&) {
  const at::Tensor* mask_BQ = find_tensor(call.inputs, "query_mask");
  const ClassFeatures features{call.input("class_embeds"), call.input("logit_shift"),
                               call.input("logit_scale")};
  return {{"logits",
           query_logits(features, call.input("query_embeds"), mask_BQ ? *mask_BQ : at::Tensor())}};
}

NamedTensors OwlViT::select(Call& call, JobContext&) {
  const std::string name = call.options.get("strategy", "dissimilar");
  if (name != "dissimilar" && name != "objectness") {
    throw Error(ErrorCode::kBadInput,
                "expected dissimilar or objectness for strategy but received \"" + name + "\"");
  }
  const bool by_objectness = name == "objectness";
  const at::Tensor* objectness_BP = find_tensor(call.inputs, "objectness_logits");
  if (by_objectness && !objectness_BP) {
    throw Error(ErrorCode::kBadInput, "expected objectness_logits for the strategy objectness");
  }
  const at::Tensor &embeds_BPE = call.input("class_embeds"), &boxes_BP4 = call.input("pred_boxes");
  const at::Tensor* given_B4 = find_tensor(call.inputs, "query_boxes");
  const at::Tensor boxes_B4 = given_B4 ? given_B4->to(boxes_BP4.options())
                                       : whole_picture(boxes_BP4.size(0), boxes_BP4.options());
  const at::Tensor index_B =
      select_query(boxes_BP4, boxes_B4, embeds_BPE, by_objectness ? *objectness_BP : at::Tensor(),
                   by_objectness ? QueryStrategy::kObjectness : QueryStrategy::kDissimilar);
  return {{"query_embeds", pick(embeds_BPE, index_B)}, {"query_indices", index_B}};
}

std::unique_ptr<Module> make_owlvit(const Json& config, const ModuleOptions& options) {
  return std::make_unique<OwlViT>(Config::from_json(config), options);
}

}  // namespace torchsight::owlvit
