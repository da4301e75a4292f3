#include "generation/prompt.h"

#include <ATen/ATen.h>

#include "generation/generate.h"

namespace torchsight {
namespace {

// Rows of logits that are held at a time when only one number of each is wanted.
constexpr int64_t kScoredRows = 64;

}  // namespace

at::Tensor real_tokens(const Call& call, at::Device device) {
  const at::Tensor* mask_BT = find_tensor(call.inputs, "attention_mask");
  if (!mask_BT || mask_BT->ne(0).all().item<bool>()) return {};
  return mask_BT->to(device).ne(0);
}

at::Tensor token_positions(const Call& call, const at::Tensor& real_BT, const at::Tensor& ids_BT,
                           at::Device device) {
  if (const at::Tensor* given_BT = find_tensor(call.inputs, "position_ids")) {
    return given_BT->to(device);
  }
  if (real_BT.defined()) return real_BT.cumsum(1).sub(1).clamp_min(0);
  const auto numbers = at::TensorOptions().dtype(at::kLong).device(device);
  return at::arange(ids_BT.size(1), numbers).unsqueeze(0);
}

at::Tensor read_prompt(Decoder& decoder, const Prompt& prompt, Trace& trace) {
  const at::Device device = prompt.x_BTd.device();
  const Visibility visibility =
      prompt_visibility(decoder.config(), prompt.kinds, prompt.x_BTd.size(1), device);
  return decoder.forward(prompt.x_BTd, prompt.positions_BT, visibility, nullptr, trace);
}

NamedTensors forward_prompt(Decoder& decoder, const Prompt& prompt, const Call& call,
                            Trace& trace) {
  at::Tensor x_BTd = read_prompt(decoder, prompt, trace);
  const int64_t tokens = x_BTd.size(1), keep = call.options.get("logits_to_keep", 0);
  if (keep > 0 && keep < tokens) x_BTd = x_BTd.narrow(1, tokens - keep, keep);
  const at::Tensor logits_RV = decoder.logits(x_BTd.flatten(0, 1));
  return {{"logits", logits_RV.unflatten(0, {x_BTd.size(0), x_BTd.size(1)})}};
}

NamedTensors score_prompt(Decoder& decoder, const Prompt& prompt, const at::Tensor& scored_BT,
                          Trace& trace) {
  const at::Tensor x_BTd = read_prompt(decoder, prompt, trace);
  const int64_t before = x_BTd.size(1) - 1;
  // What a token's log-probability is read from stands one place before it.
  const at::Tensor place_R =
      scored_BT.to(x_BTd.device()).slice(1, 1).flatten().nonzero().squeeze(1);
  const at::Tensor x_Rd = x_BTd.narrow(1, 0, before).flatten(0, 1).index_select(0, place_R);
  const at::Tensor id_R =
      prompt.ids_BT.to(x_BTd.device()).slice(1, 1).flatten().index_select(0, place_R);
  at::Tensor log_probs_R = at::empty({x_Rd.size(0)}, x_BTd.options().dtype(at::kFloat));
  for (int64_t begin = 0; begin < x_Rd.size(0); begin += kScoredRows) {
    decoder.checkpoint(trace.context);
    const int64_t rows = std::min(kScoredRows, x_Rd.size(0) - begin);
    const at::Tensor logits_RV =
        decoder.logits(x_Rd.narrow(0, begin, rows)).to(at::kFloat).log_softmax(1);
    const at::Tensor chosen_R1 = logits_RV.gather(1, id_R.narrow(0, begin, rows).unsqueeze(1));
    log_probs_R.narrow(0, begin, rows).copy_(chosen_R1.squeeze(1));
  }
  at::Tensor result_BT = at::zeros({x_BTd.size(0), before}, log_probs_R.options());
  result_BT.view({-1}).index_copy_(0, place_R, log_probs_R);
  return {{"logprobs", at::constant_pad_nd(result_BT, {1, 0})}};
}

NamedTensors generate_from(Decoder& decoder, const Prompt& prompt, const Call& call,
                           JobContext& context, Trace& trace) {
  const int64_t batch = prompt.ids_BT.size(0), tokens = prompt.ids_BT.size(1);
  const auto options = GenerationOptions::from_json(call.options, decoder.config(), batch);
  DecoderState state(decoder, batch, tokens + options.max_new_tokens, decoder.fixed_steps());
  const at::Tensor logits_BV = state.prefill(prompt, trace);
  return generate(state, logits_BV, prompt.ids_BT, options, context);
}

std::vector<TensorSpec> token_specs() {
  return {{"input_ids", {at::kLong}, {"B", "T"}, false, 0},
          {"attention_mask", {at::kLong, at::kBool, at::kFloat}, {"B", "T"}, true, 0},
          {"position_ids", {at::kLong}, {"B", "T"}, true, 0}};
}

MethodSchema forward_schema(const DecoderConfig& config, std::vector<TensorSpec> inputs) {
  return {"forward",
          "Logits of what follows each token.",
          std::move(inputs),
          {{"logits", {}, {"B", "L", std::to_string(config.vocabulary)}, false, 0}},
          {{"logits_to_keep", "int", Json(0), "of the last tokens alone; 0: of all"}}};
}

MethodSchema score_schema(std::vector<TensorSpec> inputs) {
  return {"score",
          "How likely each token is after those before it, as a natural logarithm.",
          std::move(inputs),
          {{"logprobs", {}, {"B", "T"}, false, 0}}};
}

MethodSchema generate_schema(std::vector<TensorSpec> inputs) {
  return {"generate",
          "Texts that follow prompts, which are padded on the left.",
          std::move(inputs),
          generated_specs(),
          GenerationOptions::specs(),
          streamed_specs()};
}

}  // namespace torchsight
