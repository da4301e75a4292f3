#include "models/siglip/siglip.h"

#include <ATen/ATen.h>

#include <cmath>

#include "models/siglip/sharding.h"
#include "nn/parameters.h"
#include "runtime/error.h"
#include "training/trainer.h"

namespace torchsight::siglip {
namespace {

at::Tensor optional(const Call& call, std::string_view name) {
  const at::Tensor* tensor = find_tensor(call.inputs, name);
  return tensor ? *tensor : at::Tensor();
}

at::Tensor unit(const at::Tensor& x_BE) {
  const at::Tensor wide_BE = x_BE.to(at::promote_types(x_BE.scalar_type(), at::kFloat));
  return wide_BE / at::linalg_vector_norm(wide_BE, 2, {-1}, /*keepdim=*/true);
}

// An input that a method needs beside another one.
const at::Tensor& beside(const Call& call, const char* name, const char* other) {
  if (const at::Tensor* tensor = find_tensor(call.inputs, name)) return *tensor;
  throw Error(ErrorCode::kBadInput, std::string("expected a tensor for ") + name + " beside " +
                                        other + " but received nothing");
}

// Throws where a side of a similarity is given twice or not at all.
void require_one(const Call& call, const char* first, const char* second) {
  const bool has_first = find_tensor(call.inputs, first) != nullptr;
  const bool has_second = find_tensor(call.inputs, second) != nullptr;
  if (has_first != has_second) return;
  throw Error(ErrorCode::kBadInput, std::string("expected ") + first + " or " + second +
                                        " but received " + (has_first ? "both" : "neither"));
}

}  // namespace

Siglip::Siglip(const Config& config, const ModuleOptions& options) : config_(config) {
  check_sharding(config, options);
  if (config.vision && config.flexible) flexible_.emplace(*config.vision, options);
  if (config.vision && !config.flexible) vision_.emplace(*config.vision, options);
  if (config.text) text_.emplace(*config.text, options);
  if (config.both()) {
    logit_scale_1_ = at::empty({1}, tensor_options(options));
    logit_bias_1_ = at::empty({1}, tensor_options(options));
  }
  add_methods();
}

std::vector<std::string> Siglip::tap_names() const {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<std::string>& more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  if (vision_) add(vision_->tap_names());
  if (flexible_) add(flexible_->tap_names());
  if (text_) add(text_->tap_names());
  return names;
}

std::vector<Parameter> Siglip::parameters() {
  std::vector<Parameter> parameters;
  const bool both = config_.both();
  if (both) {
    // Where training starts: section 3.2 of the paper.
    add_parameter(parameters, "logit_scale", logit_scale_1_,
                  {Init::Kind::kConstant, std::log(10.0)});
    add_parameter(parameters, "logit_bias", logit_bias_1_, {Init::Kind::kConstant, -10});
  }
  if (text_) text_->add_parameters(parameters, both ? "text_model." : "");
  if (vision_) vision_->add_parameters(parameters, both ? "vision_model." : "");
  if (flexible_) flexible_->add_parameters(parameters, both ? "vision_model." : "");
  return parameters;
}

std::unique_ptr<Session> Siglip::open_session(const std::string& kind, const Json& options) {
  if (kind != "trainer") return Module::open_session(kind, options);
  if (this->options().group) {
    throw Error(ErrorCode::kUnsupported, "expected one rank for a trainer but received a group");
  }
  const std::string loss = options.get("loss", "sigmoid");
  const std::string method = options.get("method", config_.both() ? "similarity" : "encode");
  schema_of(method);
  if (loss == "given") return open_trainer(*this, given_loss(*this, method), options);
  if (method != "similarity") {
    throw Error(ErrorCode::kUnsupported,
                "expected both towers and their similarity, or a loss of one's own, for a trainer "
                "but received \"" +
                    method + "\"");
  }
  return open_trainer(*this, contrastive(*this, loss), options);
}

Siglip::Encoded Siglip::look(const Call& call, Trace& trace) {
  Encoded encoded;
  const bool pools = config_.vision->head;
  if (flexible_) {
    const Patches patches{call.input("pixel_values"),
                          beside(call, "pixel_attention_mask", "pixel_values"),
                          beside(call, "spatial_shapes", "pixel_values")};
    encoded.tokens = flexible_->forward(patches, trace);
    if (pools) encoded.pooled = flexible_->pool(encoded.tokens, patches);
    return encoded;
  }
  const bool interpolate = call.options.get("interpolate_pos_encoding", false);
  encoded.tokens =
      vision_->forward(call.input("pixel_values"),
                       interpolate ? PositionResize::kBicubic : PositionResize::kNone, trace);
  if (pools) encoded.pooled = vision_->pool(encoded.tokens);
  return encoded;
}

Siglip::Encoded Siglip::read(const Call& call, Trace& trace) {
  const at::Tensor x_NLd =
      text_->forward(call.input("input_ids"), optional(call, "attention_mask"), trace);
  return {x_NLd, text_->pool(x_NLd)};
}

NamedTensors Siglip::encode(Call& call, JobContext& context, bool pictures, const char* embeds) {
  const int64_t depth = pictures ? config_.vision->encoder.depth : config_.text->encoder.depth;
  Trace trace{call.taps, context, static_cast<double>(depth), 0, call.recompute};
  const Encoded encoded = pictures ? look(call, trace) : read(call, trace);
  NamedTensors results{{"last_hidden_state", encoded.tokens}};
  if (encoded.pooled.defined()) results.emplace_back("pooler_output", encoded.pooled);
  if (embeds) results.emplace_back(embeds, unit(encoded.pooled));
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

NamedTensors Siglip::similarity(Call& call, JobContext& context) {
  require_one(call, "pixel_values", "image_embeds");
  require_one(call, "input_ids", "text_embeds");
  at::Tensor images_BE = optional(call, "image_embeds"), texts_NE = optional(call, "text_embeds");
  double layers = 0;
  if (!images_BE.defined()) layers += static_cast<double>(config_.vision->encoder.depth);
  if (!texts_NE.defined()) layers += static_cast<double>(config_.text->encoder.depth);
  Trace trace{call.taps, context, layers, 0, call.recompute};
  if (!images_BE.defined()) images_BE = look(call, trace).pooled;
  if (!texts_NE.defined()) texts_NE = read(call, trace).pooled;
  const at::Device device = logit_scale_1_.device();
  images_BE = unit(images_BE.to(device));
  texts_NE = unit(texts_NE.to(device));
  const auto dtype = images_BE.scalar_type();
  const at::Tensor logits_BN =
      at::mm(images_BE, texts_NE.to(dtype).t()) * logit_scale_1_.to(dtype).exp() +
      logit_bias_1_.to(dtype);
  NamedTensors results{{"logits_per_image", logits_BN},
                       {"logits_per_text", logits_BN.t().contiguous()},
                       {"image_embeds", images_BE},
                       {"text_embeds", texts_NE}};
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

std::unique_ptr<Module> make_siglip(const Json& config, const ModuleOptions& options) {
  return std::make_unique<Siglip>(Config::from_json(config), options);
}

}  // namespace torchsight::siglip
