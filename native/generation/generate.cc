#include "generation/generate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "generation/beam.h"
#include "generation/sampling.h"

namespace torchsight {
namespace {

at::Tensor long_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
}

// A text as it grows.
struct Text {
  std::vector<int64_t> ids;
  std::vector<float> log_probs;
  bool ended = false;

  double total() const { return std::accumulate(log_probs.begin(), log_probs.end(), 0.0); }
};

// Rows that are decoded together. Those that have ended leave the batch.
class Decoding {
 public:
  Decoding(DecoderState& state, const GenerationOptions& options, int64_t vocabulary,
           at::Device device)
      : state_(state),
        options_(options),
        sampler_(options, vocabulary, device),
        texts_(state.batch()) {
    for (int64_t row = 0; row < state.batch(); ++row) {
      active_.push_back(row);
      rows_.push_back({options.seed(row / options.best_of), row % options.best_of});
    }
  }

  std::vector<Text> run(at::Tensor logits_BV, JobContext& context) {
    for (int64_t step = 0; step < options_.max_new_tokens; ++step) {
      state_.checkpoint(context);
      const at::Tensor ids_B = sampler_(logits_BV, rows_, step);
      take(ids_B, log_probs(logits_BV, ids_B));
      // Of samples that compete, nobody knows yet which will be told.
      if (options_.best_of == 1) context.emit(item(step));
      context.progress(
          {static_cast<double>(step + 1), static_cast<double>(options_.max_new_tokens), "decode"});
      if (step + 1 == options_.max_new_tokens) break;
      const at::Tensor kept_R = drop_ended();
      if (active_.empty()) break;
      const bool all = kept_R.size(0) == ids_B.size(0);
      const at::Tensor next_R = all ? ids_B : ids_B.index_select(0, kept_R);
      if (!all) state_.select(kept_R);
      logits_BV = state_.step(next_R.unsqueeze(1), context);
    }
    return std::move(texts_);
  }

 private:
  void take(const at::Tensor& ids_B, const at::Tensor& log_probs_B) {
    for (size_t i = 0; i < active_.size(); ++i) {
      Text& text = texts_[active_[i]];
      const int64_t id = ids_B.const_data_ptr<int64_t>()[i];
      text.ids.push_back(id);
      text.log_probs.push_back(log_probs_B.const_data_ptr<float>()[i]);
      const auto& eos = options_.eos;
      text.ended = std::find(eos.begin(), eos.end(), id) != eos.end();
    }
  }

  // The tokens of that step, padding for rows that have ended before.
  NamedTensors item(int64_t step) const {
    const auto rows = static_cast<int64_t>(texts_.size());
    at::Tensor ids_B = at::full({rows}, options_.pad, at::kLong);
    at::Tensor log_probs_B = at::zeros({rows}, at::kFloat);
    for (int64_t row = 0; row < rows; ++row) {
      if (static_cast<int64_t>(texts_[row].ids.size()) <= step) continue;
      ids_B.mutable_data_ptr<int64_t>()[row] = texts_[row].ids[step];
      log_probs_B.mutable_data_ptr<float>()[row] = texts_[row].log_probs[step];
    }
    return {{"token_ids", ids_B}, {"logprobs", log_probs_B}};
  }

  // Gives the places of the batch that go on.
  at::Tensor drop_ended() {
    std::vector<int64_t> kept, active;
    std::vector<Sampler::Row> rows;
    for (size_t i = 0; i < active_.size(); ++i) {
      if (texts_[active_[i]].ended) continue;
      kept.push_back(static_cast<int64_t>(i));
      active.push_back(active_[i]);
      rows.push_back(rows_[i]);
    }
    active_ = std::move(active);
    rows_ = std::move(rows);
    return long_tensor(kept);
  }

  DecoderState& state_;
  const GenerationOptions& options_;
  Sampler sampler_;
  std::vector<Text> texts_;
  std::vector<int64_t> active_;     // the text that each row of the batch belongs to
  std::vector<Sampler::Row> rows_;  // of the batch
};

// Of each `count` texts the one that is likeliest as a whole; the first of equals.
std::vector<Text> likeliest(std::vector<Text> texts, int64_t count) {
  std::vector<Text> best;
  for (auto group = texts.begin(); group != texts.end(); group += count) {
    best.push_back(std::move(*std::max_element(
        group, group + count, [](const Text& a, const Text& b) { return a.total() < b.total(); })));
  }
  return best;
}

NamedTensors packed(const std::vector<Text>& texts, const at::Tensor& prompt_ids_BT, int64_t pad) {
  const auto rows = static_cast<int64_t>(texts.size());
  size_t longest = 0;
  for (const Text& text : texts) longest = std::max(longest, text.ids.size());
  const auto length = static_cast<int64_t>(longest);
  at::Tensor ids_BN = at::full({rows, length}, pad, at::kLong);
  at::Tensor log_probs_BN = at::zeros({rows, length}, at::kFloat);
  at::Tensor ended_B = at::zeros({rows}, at::kBool);
  for (int64_t row = 0; row < rows; ++row) {
    const Text& text = texts[row];
    const auto begin = row * length;
    std::copy(text.ids.begin(), text.ids.end(), ids_BN.mutable_data_ptr<int64_t>() + begin);
    std::copy(text.log_probs.begin(), text.log_probs.end(),
              log_probs_BN.mutable_data_ptr<float>() + begin);
    ended_B.mutable_data_ptr<bool>()[row] = text.ended;
  }
  return {{"sequences", at::cat({prompt_ids_BT.cpu(), ids_BN}, 1)},
          {"logprobs", log_probs_BN},
          {"ended", ended_B}};
}

}  // namespace

NamedTensors generate(DecoderState& state, at::Tensor logits_BV, const at::Tensor& prompt_ids_BT,
                      const GenerationOptions& options, JobContext& context) {
  const int64_t batch = state.batch(), vocabulary = logits_BV.size(1);
  std::vector<Text> texts;
  if (options.beams > 1) {
    for (int64_t row = 0; row < batch; ++row) {
      DecoderState own = state;
      own.select(at::tensor({row}, at::kLong));
      const auto advance = [&](const at::Tensor& parents_L, const at::Tensor& ids_L) {
        own.checkpoint(context);
        own.select(parents_L);
        return own.step(ids_L.unsqueeze(1), context);
      };
      Hypothesis found = beam_search(advance, logits_BV.narrow(0, row, 1), options, context);
      texts.push_back({std::move(found.ids), std::move(found.log_probs), found.ended});
    }
    return packed(texts, prompt_ids_BT, options.pad);
  }
  if (options.best_of > 1) {
    const at::Tensor rows_R = at::arange(batch, at::kLong).repeat_interleave(options.best_of);
    state.select(rows_R);
    logits_BV = logits_BV.index_select(0, rows_R.to(logits_BV.device()));
  }
  Decoding decoding(state, options, vocabulary, logits_BV.device());
  texts = decoding.run(std::move(logits_BV), context);
  return packed(likeliest(std::move(texts), options.best_of), prompt_ids_BT, options.pad);
}

std::vector<TensorSpec> generated_specs() {
  return {{"sequences", {}, {"B", "S"}, false, 0},
          {"logprobs", {}, {"B", "N"}, false, 0},
          {"ended", {}, {"B"}, false, 0}};
}

std::vector<TensorSpec> streamed_specs() {
  return {{"token_ids", {}, {"B"}, false, 0}, {"logprobs", {}, {"B"}, false, 0}};
}

}  // namespace torchsight
