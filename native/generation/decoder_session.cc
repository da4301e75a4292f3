#include "generation/decoder_session.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "generation/generate.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr int64_t kMaxLength = 1 << 20;

class DecoderSession final : public Session {
 public:
  DecoderSession(Decoder& decoder, std::vector<TensorSpec> inputs, ReadPrompt read,
                 int64_t max_length)
      : decoder_(decoder),
        inputs_(std::move(inputs)),
        read_(std::move(read)),
        max_length_(max_length) {}

  std::vector<MethodSchema> schemas() const override {
    const std::vector<TensorSpec> logits{
        {"logits", {}, {"B", std::to_string(decoder_.config().vocabulary)}, false, 0}};
    MethodSchema generate = generate_schema({});
    generate.doc = "Texts that follow what was read.";
    return {{"prefill", "Reads prompts, in place of all that was read.", inputs_, logits},
            {"step",
             "Reads further tokens.",
             {{"input_ids", {at::kLong}, {"B", "T"}, false, 0}},
             logits},
            std::move(generate)};
  }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    const at::NoGradGuard no_grad;
    if (method == "prefill") return prefill(call, context);
    if (!state_) throw Error(ErrorCode::kBadInput, "expected a prompt to be read first");
    if (method == "step") {
      const at::Tensor& ids_BT = call.input("input_ids");
      check_ids(ids_BT, decoder_.config().vocabulary);
      logits_BV_ = state_->step(ids_BT, context);
      return {{"logits", logits_BV_}};
    }
    if (method == "generate") return continue_texts(call, context);
    throw Error(ErrorCode::kNotFound,
                "expected prefill, step or generate but received \"" + method + "\"");
  }

  NamedTensors snapshot() const override {
    if (!state_) throw Error(ErrorCode::kBadInput, "expected a prompt to be read first");
    NamedTensors state = state_->snapshot();
    state.emplace_back("logits", logits_BV_.clone());
    return state;
  }

  void restore(const NamedTensors& state) override {
    const at::Tensor* logits_BV = find_tensor(state, "logits");
    const at::Tensor* begin_B = find_tensor(state, "begin");
    if (!logits_BV || !begin_B || begin_B->dim() != 1 || logits_BV->dim() != 2 ||
        logits_BV->size(0) != begin_B->size(0) ||
        logits_BV->size(1) != decoder_.config().vocabulary) {
      throw Error(ErrorCode::kBadInput, "expected a state of this session's model");
    }
    DecoderState fresh(decoder_, begin_B->size(0), max_length_, decoder_.fixed_steps());
    fresh.restore(state);
    state_.emplace(std::move(fresh));
    logits_BV_ = logits_BV->clone();
  }

 private:
  NamedTensors prefill(Call& call, JobContext& context) {
    Trace trace{call.taps, context, static_cast<double>(decoder_.config().depth)};
    const Prompt prompt = read_(call, trace);
    DecoderState fresh(decoder_, prompt.ids_BT.size(0), max_length_, decoder_.fixed_steps());
    logits_BV_ = fresh.prefill(prompt, trace);
    state_.emplace(std::move(fresh));
    return {{"logits", logits_BV_}};
  }

  NamedTensors continue_texts(Call& call, JobContext& context) {
    const int64_t batch = state_->batch();
    const auto options = GenerationOptions::from_json(call.options, decoder_.config(), batch);
    // The session's own state stays where it is, so that another text can follow it as well.
    DecoderState copy = *state_;
    copy.select(at::arange(batch, at::kLong));
    return generate(copy, logits_BV_, at::empty({batch, 0}, at::kLong), options, context);
  }

  Decoder& decoder_;
  std::vector<TensorSpec> inputs_;
  ReadPrompt read_;
  int64_t max_length_;
  std::optional<DecoderState> state_;
  at::Tensor logits_BV_;
};

}  // namespace

std::unique_ptr<Session> open_decoder_session(Decoder& decoder, std::vector<TensorSpec> inputs,
                                              ReadPrompt read, const Json& options) {
  const int64_t length = options.get("max_length", decoder.config().context);
  if (length < 1 || length > kMaxLength) {
    throw Error(ErrorCode::kBadInput, "expected a number from 1 to " + std::to_string(kMaxLength) +
                                          " for max_length but received " + std::to_string(length));
  }
  return std::make_unique<DecoderSession>(decoder, std::move(inputs), std::move(read), length);
}

}  // namespace torchsight
