#include "models/paligemma/paligemma.h"

#include <ATen/ATen.h>

#include "generation/decoder_session.h"
#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight::paligemma {
namespace {

const at::Tensor* optional(const Call& call, std::string_view name) {
  return find_tensor(call.inputs, name);
}

PositionResize resize_of(const Json& options) {
  const std::string name = options.get("position_resize", "none");
  if (name == "none") return PositionResize::kNone;
  if (name == "bicubic") return PositionResize::kBicubic;
  if (name == "linear") return PositionResize::kLinear;
  throw Error(ErrorCode::kBadInput,
              "expected none, bicubic or linear for position_resize but received \"" + name + "\"");
}

void add_taps(Call& call, NamedTensors& results) {
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
}

}  // namespace

PaliGemma::PaliGemma(const Config& config, const ModuleOptions& options)
    : config_(config),
      vision_(config.vision, options),
      projector_(
          at::empty({config.text.width, config.vision.encoder.width}, tensor_options(options))),
      projector_bias_(at::empty({config.text.width}, tensor_options(options))),
      decoder_(config.text, options) {
  add_methods();
}

std::vector<std::string> PaliGemma::tap_names() const {
  std::vector<std::string> names = vision_.tap_names();
  for (std::string& name : decoder_.tap_names()) names.push_back(std::move(name));
  return names;
}

std::vector<Parameter> PaliGemma::parameters() {
  std::vector<Parameter> parameters;
  vision_.add_parameters(parameters, "vision_tower.");
  // Pictures say nothing until training has begun.
  add_linear(parameters, "multi_modal_projector.linear", projector_, projector_bias_, kZeros);
  decoder_.add_parameters(parameters, "language_model.model.", "language_model.lm_head");
  return parameters;
}

at::Tensor PaliGemma::look(const at::Tensor& pixels_ICHW, const Json& options, Trace& trace) {
  const at::Tensor x_INd = vision_.forward(pixels_ICHW, resize_of(options), trace);
  const at::Tensor projected_Rd = projector_(x_INd.flatten(0, 1), projector_bias_);
  return projected_Rd.unflatten(0, {x_INd.size(0), x_INd.size(1)}).to(decoder_.activations());
}

at::Tensor PaliGemma::pictures(Call& call, Trace& trace) {
  const at::Tensor* const pixels_ICHW = optional(call, "pixel_values");
  const at::Tensor* const known_INd = optional(call, "image_hidden_states");
  if (pixels_ICHW && known_INd) {
    throw Error(ErrorCode::kBadInput,
                "expected pixel_values or image_hidden_states but received both");
  }
  if (known_INd) return known_INd->to(decoder_.activations());
  return pixels_ICHW ? look(*pixels_ICHW, call.options, trace) : at::Tensor();
}

Prompt PaliGemma::read(Call& call, const at::Tensor& pictures_INd) const {
  const at::Tensor& ids_BT = call.input("input_ids");
  const at::Tensor place_BT = ids_BT.eq(config_.image_token);
  const int64_t places = place_BT.sum().item<int64_t>();
  const int64_t vectors = pictures_INd.defined() ? pictures_INd.size(0) * pictures_INd.size(1) : 0;
  if (places != vectors) {
    throw Error(ErrorCode::kBadInput,
                "expected the token " + std::to_string(config_.image_token) + " " +
                    std::to_string(vectors) + " times in input_ids, once for each vector of the " +
                    "pictures, but received it " + std::to_string(places) + " times");
  }
  const at::Tensor words_BT = ids_BT.masked_fill(place_BT, 0);
  check_ids(words_BT, config_.text.vocabulary);
  at::Tensor x_BTd = decoder_.embed(words_BT);
  const at::Device device = x_BTd.device();
  if (vectors > 0) {
    x_BTd = x_BTd.masked_scatter(place_BT.to(device).unsqueeze(-1), pictures_INd);
  }
  const at::Tensor* const types_BT = optional(call, "token_type_ids");
  const at::Tensor prefix_BT = types_BT
                                   ? types_BT->to(device).eq(0)
                                   : at::ones(ids_BT.sizes(), x_BTd.options().dtype(at::kBool));
  const at::Tensor real_BT = real_tokens(call, device);
  return {ids_BT, x_BTd, token_positions(call, real_BT, ids_BT, device), {real_BT, prefix_BT}};
}

NamedTensors PaliGemma::encode_images(Call& call, JobContext& context) {
  Trace trace{call.taps, context, static_cast<double>(config_.vision.encoder.depth)};
  const at::Tensor x_INd = look(call.input("pixel_values"), call.options, trace);
  NamedTensors results{{"image_hidden_states", x_INd}, {"image_embeds", x_INd.mean(1)}};
  add_taps(call, results);
  return results;
}

NamedTensors PaliGemma::forward(Call& call, JobContext& context) {
  Trace trace{call.taps, context,
              static_cast<double>(config_.vision.encoder.depth + config_.text.depth)};
  const at::Tensor pictures_INd = pictures(call, trace);
  NamedTensors results = forward_prompt(decoder_, read(call, pictures_INd), call, trace);
  if (pictures_INd.defined()) results.emplace_back("image_hidden_states", pictures_INd);
  add_taps(call, results);
  return results;
}

NamedTensors PaliGemma::score(Call& call, JobContext& context) {
  Trace trace{call.taps, context,
              static_cast<double>(config_.vision.encoder.depth + config_.text.depth)};
  const Prompt prompt = read(call, pictures(call, trace));
  at::Tensor scored_BT = prompt.kinds.prefix_BT.logical_not();
  if (prompt.kinds.real_BT.defined()) scored_BT = scored_BT.logical_and(prompt.kinds.real_BT);
  NamedTensors results = score_prompt(decoder_, prompt, scored_BT, trace);
  add_taps(call, results);
  return results;
}

NamedTensors PaliGemma::generate(Call& call, JobContext& context) {
  Trace trace{call.taps, context,
              static_cast<double>(config_.vision.encoder.depth + config_.text.depth)};
  const Prompt prompt = read(call, pictures(call, trace));
  NamedTensors results = generate_from(decoder_, prompt, call, context, trace);
  add_taps(call, results);
  return results;
}

std::unique_ptr<Session> PaliGemma::open_session(const std::string& kind, const Json& options) {
  if (kind != "cache") return Module::open_session(kind, options);
  return open_decoder_session(
      decoder_, prompt_specs(),
      [this](Call& call, Trace& trace) { return read(call, pictures(call, trace)); }, options);
}

std::unique_ptr<Module> make_paligemma(const Json& config, const ModuleOptions& options) {
  return std::make_unique<PaliGemma>(Config::from_json(config), options);
}

}  // namespace torchsight::paligemma
