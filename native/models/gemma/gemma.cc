#include "models/gemma/gemma.h"

#include <ATen/ATen.h>

#include "generation/decoder_session.h"

namespace torchsight::gemma {

Gemma::Gemma(const DecoderConfig& config, const ModuleOptions& options)
    : decoder_(config, options) {
  add_method(forward_schema(config, token_specs()), [this](Call& call, JobContext& context) {
    return run(call, context, [&](const Prompt& prompt, Trace& trace) {
      return forward_prompt(decoder_, prompt, call, trace);
    });
  });
  add_method(score_schema(token_specs()), [this](Call& call, JobContext& context) {
    return run(call, context, [&](const Prompt& prompt, Trace& trace) {
      const at::Tensor& real_BT = prompt.kinds.real_BT;
      const at::Tensor scored_BT =
          real_BT.defined() ? real_BT : at::ones_like(prompt.ids_BT, at::kBool);
      return score_prompt(decoder_, prompt, scored_BT, trace);
    });
  });
  add_method(generate_schema(token_specs()), [this](Call& call, JobContext& context) {
    return run(call, context, [&](const Prompt& prompt, Trace& trace) {
      return generate_from(decoder_, prompt, call, context, trace);
    });
  });
}

std::vector<Parameter> Gemma::parameters() {
  std::vector<Parameter> parameters;
  decoder_.add_parameters(parameters, "model.", "lm_head");
  return parameters;
}

Prompt Gemma::read(const Call& call) const {
  const at::Tensor& ids_BT = call.input("input_ids");
  check_ids(ids_BT, decoder_.config().vocabulary);
  const at::Tensor x_BTd = decoder_.embed(ids_BT);
  const at::Tensor real_BT = real_tokens(call, x_BTd.device());
  return {ids_BT, x_BTd, token_positions(call, real_BT, ids_BT, x_BTd.device()), {real_BT, {}}};
}

NamedTensors Gemma::run(Call& call, JobContext& context,
                        const std::function<NamedTensors(const Prompt&, Trace&)>& work) {
  Trace trace{call.taps, context, static_cast<double>(decoder_.config().depth)};
  NamedTensors results = work(read(call), trace);
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

std::unique_ptr<Session> Gemma::open_session(const std::string& kind, const Json& options) {
  if (kind != "cache") return Module::open_session(kind, options);
  return open_decoder_session(
      decoder_, token_specs(), [this](Call& call, Trace&) { return read(call); }, options);
}

std::unique_ptr<Module> make_gemma(const Json& config, const ModuleOptions& options) {
  return std::make_unique<Gemma>(DecoderConfig::from_json(ConfigReader(config)), options);
}

}  // namespace torchsight::gemma
