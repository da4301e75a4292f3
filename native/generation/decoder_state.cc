#include "generation/decoder_state.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight {

DecoderState::DecoderState(Decoder& decoder, int64_t batch, int64_t capacity, bool fixed)
    : decoder_(&decoder), cache_(decoder.cache(batch, capacity)), fixed_(fixed) {}

void DecoderState::require_room(int64_t tokens) const {
  const int64_t left = cache_.capacity() - cache_.length();
  if (tokens <= left) return;
  throw Error(ErrorCode::kBadInput, "expected at most " + std::to_string(left) +
                                        " further tokens of " + std::to_string(cache_.capacity()) +
                                        " for the cache but received " + std::to_string(tokens));
}

at::Tensor DecoderState::prefill(const Prompt& prompt, Trace& trace) {
  if (cache_.length() > 0) {
    throw Error(ErrorCode::kBadInput, "expected an empty cache for a prompt but received one of " +
                                          std::to_string(cache_.length()) + " tokens");
  }
  const int64_t tokens = prompt.x_BTd.size(1);
  require_room(tokens);
  const at::Tensor& real_BT = prompt.kinds.real_BT;
  if (real_BT.defined()) cache_.set_begin(left_padding(real_BT));
  next_B_ = (prompt.positions_BT.select(1, tokens - 1) + 1).expand({batch()}).contiguous();
  const Visibility visibility =
      prompt_visibility(decoder_->config(), prompt.kinds, tokens, prompt.x_BTd.device());
  const at::Tensor last_Bd =
      decoder_->forward(prompt.x_BTd, prompt.positions_BT, visibility, &cache_, trace)
          .select(1, tokens - 1);
  return decoder_->logits(last_Bd.contiguous());
}

at::Tensor DecoderState::step(const at::Tensor& ids_BT, JobContext& context) {
  const int64_t tokens = ids_BT.size(1);
  if (cache_.length() == 0 || ids_BT.size(0) != batch()) {
    throw Error(ErrorCode::kBadInput, "expected tokens for each of " + std::to_string(batch()) +
                                          " rows after a prompt but received " +
                                          std::to_string(ids_BT.size(0)) + " rows after " +
                                          std::to_string(cache_.length()) + " tokens");
  }
  require_room(tokens);
  if (fixed_ && tokens == 1) {
    if (!steps_) steps_ = std::make_shared<FixedSteps>(*decoder_, cache_, next_B_);
    cache_.advance(1);
    next_B_ = next_B_ + 1;
    return (*steps_)(ids_BT.select(1, 0)).clone();
  }
  steps_.reset();
  Taps none;
  Trace trace{none, context, 0};
  const at::Tensor positions_BT =
      next_B_.unsqueeze(1) + at::arange(tokens, next_B_.options()).unsqueeze(0);
  const at::Tensor last_Bd =
      decoder_->forward(decoder_->embed(ids_BT), positions_BT, {}, &cache_, trace)
          .select(1, tokens - 1);
  next_B_ = next_B_ + tokens;
  return decoder_->logits(last_Bd.contiguous());
}

void DecoderState::select(const at::Tensor& rows_R) {
  steps_.reset();
  cache_.select(rows_R);
  next_B_ = next_B_.index_select(0, rows_R.to(next_B_.device()));
}

NamedTensors DecoderState::snapshot() const {
  NamedTensors state{{"begin", cache_.begin().clone()}, {"next", next_B_.clone()}};
  for (int64_t l = 0; l < decoder_->config().depth; ++l) {
    const std::string layer = "." + std::to_string(l);
    const auto filled = [&](const at::Tensor& memory_BKTe) {
      return memory_BKTe.narrow(2, 0, length()).clone(at::MemoryFormat::Contiguous);
    };
    state.emplace_back("keys" + layer, filled(cache_.keys(l)));
    state.emplace_back("values" + layer, filled(cache_.values(l)));
  }
  return state;
}

void DecoderState::restore(const NamedTensors& state) {
  const DecoderConfig& config = decoder_->config();
  const int64_t heads = cache_.keys(0).size(1);
  const auto part = [&](const std::string& name, const std::vector<int64_t>& sizes) {
    const at::Tensor* tensor = find_tensor(state, name);
    if (!tensor) throw Error(ErrorCode::kBadInput, "expected a tensor for " + name);
    bool fits = tensor->dim() == static_cast<int64_t>(sizes.size());
    for (size_t i = 0; fits && i < sizes.size(); ++i) {
      fits = sizes[i] < 0 || tensor->size(i) == sizes[i];
    }
    if (!fits) {
      throw Error(ErrorCode::kShape, "expected a state of this session's model for " + name);
    }
    return *tensor;
  };
  const at::Tensor begin_B = part("begin", {-1}).to(at::kCPU, at::kLong);
  const int64_t rows = begin_B.size(0);
  const int64_t tokens = part("keys.0", {rows, heads, -1, config.head_width}).size(2);
  KvCache fresh = decoder_->cache(rows, cache_.capacity());
  if (tokens > fresh.capacity()) {
    throw Error(ErrorCode::kBadInput, "expected a state of at most " +
                                          std::to_string(fresh.capacity()) +
                                          " tokens but received " + std::to_string(tokens));
  }
  if (begin_B.lt(0).logical_or(begin_B.ge(tokens)).any().item<bool>()) {
    throw Error(ErrorCode::kBadInput, "expected rows that begin within the state for begin");
  }
  fresh.set_begin(begin_B.clone());
  const std::vector<int64_t> sizes{rows, heads, tokens, config.head_width};
  for (int64_t l = 0; l < config.depth; ++l) {
    const std::string layer = "." + std::to_string(l);
    fresh.write(l, part("keys" + layer, sizes).transpose(1, 2),
                part("values" + layer, sizes).transpose(1, 2));
  }
  fresh.advance(tokens);
  cache_ = std::move(fresh);
  next_B_ = part("next", {rows}).to(decoder_->activations().device(), at::kLong).clone();
}

}  // namespace torchsight
