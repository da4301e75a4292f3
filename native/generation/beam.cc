#include "generation/beam.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace torchsight {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();

// The live text `from` with one more token.
struct Step {
  size_t from;
  int64_t id;
  double log_prob;
  double total;
};

Hypothesis extended(const Hypothesis& live, const Step& step, bool ended) {
  Hypothesis next = live;
  next.ids.push_back(step.id);
  next.log_probs.push_back(static_cast<float>(step.log_prob));
  next.total = step.total;
  next.ended = ended;
  return next;
}

class BeamSearch {
 public:
  BeamSearch(const GenerationOptions& options, int64_t vocabulary) : options_(options) {
    if (options.allowed.empty()) return;
    refused_V_ = at::ones({vocabulary}, at::kBool);
    refused_V_.index_fill_(0, at::tensor(options.allowed, at::kLong), false);
  }

  // Takes the log-probabilities [live, V] of what follows each live text. Returns the live texts'
  // parents, empty where the search is over.
  std::vector<int64_t> advance(const at::Tensor& log_probs_LV) {
    const std::vector<Step> steps = live_steps(log_probs_LV);
    std::vector<Hypothesis> next;
    std::vector<int64_t> parents;
    for (const Step& step : steps) {
      next.push_back(extended(live_[step.from], step, false));
      parents.push_back(static_cast<int64_t>(step.from));
    }
    live_ = std::move(next);
    const bool hopeless = live_.empty() || (finished_ && live_.front().total < finished_->total);
    return hopeless ? std::vector<int64_t>{} : parents;
  }

  std::vector<int64_t> last_ids() const {
    std::vector<int64_t> ids;
    for (const Hypothesis& one : live_) ids.push_back(one.ids.back());
    return ids;
  }

  Hypothesis best() const { return finished_ ? *finished_ : live_.front(); }

 private:
  bool ends(int64_t id) const {
    return std::find(options_.eos.begin(), options_.eos.end(), id) != options_.eos.end();
  }

  // The best continuations that do not end, best first; those that end compete for the finished.
  std::vector<Step> live_steps(const at::Tensor& log_probs_LV) {
    const at::Tensor open_LV =
        refused_V_.defined() ? log_probs_LV.masked_fill(refused_V_, kLowest) : log_probs_LV;
    const auto ends_count = static_cast<int64_t>(options_.eos.size());
    const int64_t count = std::min(options_.beams + ends_count, open_LV.size(1));
    const auto [values_LC, ids_LC] = open_LV.topk(count, 1);
    std::vector<Step> steps;
    for (size_t from = 0; from < live_.size(); ++from) {
      const auto row = static_cast<int64_t>(from);
      for (const int64_t id : options_.eos) finish(from, id, open_LV[row][id].item<double>());
      for (int64_t c = 0; c < count; ++c) {
        const int64_t id = ids_LC[row][c].item<int64_t>();
        const double log_prob = values_LC[row][c].item<double>();
        if (ends(id) || log_prob == kLowest) continue;
        steps.push_back({from, id, log_prob, live_[from].total + log_prob});
      }
    }
    std::stable_sort(steps.begin(), steps.end(),
                     [](const Step& a, const Step& b) { return a.total > b.total; });
    if (static_cast<int64_t>(steps.size()) > options_.beams) {
      steps.erase(steps.begin() + options_.beams, steps.end());
    }
    return steps;
  }

  void finish(size_t from, int64_t id, double log_prob) {
    const double total = live_[from].total + log_prob;
    if (total == kLowest || (finished_ && finished_->total >= total)) return;
    finished_ = extended(live_[from], {from, id, log_prob, total}, true);
  }

  const GenerationOptions& options_;
  at::Tensor refused_V_;
  std::vector<Hypothesis> live_{Hypothesis{}};
  std::optional<Hypothesis> finished_;
};

}  // namespace

Hypothesis beam_search(const AdvanceRows& advance, at::Tensor logits_1V,
                       const GenerationOptions& options, JobContext& context) {
  BeamSearch search(options, logits_1V.size(1));
  at::Tensor logits_LV = std::move(logits_1V);
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    const at::Tensor numbers_LV = logits_LV.to(at::kCPU, at::kDouble);
    const std::vector<int64_t> parents = search.advance(numbers_LV.log_softmax(1));
    context.progress(
        {static_cast<double>(step + 1), static_cast<double>(options.max_new_tokens), "decode"});
    if (parents.empty() || step + 1 == options.max_new_tokens) break;
    logits_LV = advance(at::tensor(parents, at::kLong), at::tensor(search.last_ids(), at::kLong));
  }
  return search.best();
}

}  // namespace torchsight
