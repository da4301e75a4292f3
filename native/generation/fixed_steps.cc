#include "generation/fixed_steps.h"

#include <ATen/ATen.h>

namespace torchsight {

FixedSteps::FixedSteps(Decoder& decoder, const KvCache& cache, const at::Tensor& next_B)
    : decoder_(&decoder), cache_(cache) {
  const auto numbers = decoder.activations().dtype(at::kLong);
  ids_B1_ = at::zeros({cache.batch(), 1}, numbers);
  next_B1_ = next_B.to(numbers).unsqueeze(1).clone();
  place_1_ = at::full({1}, cache.length(), numbers);
  begin_B1_ = cache.begin().to(numbers).unsqueeze(1);
  column_M_ = at::arange(cache.capacity(), numbers);
  logits_BV_ = at::empty({cache.batch(), decoder.config().vocabulary}, decoder.activations());
}

void FixedSteps::run() {
  const int64_t window = decoder_->config().window;
  const at::Tensor seen_BM = column_M_.le(place_1_).logical_and(column_M_.ge(begin_B1_));
  const auto mask = [](const at::Tensor& seen) { return seen.unsqueeze(1).unsqueeze(1); };
  Visibility visibility{{mask(seen_BM)}, {mask(seen_BM)}};
  if (window > 0) {
    visibility.windowed.seen_B1TM = mask(seen_BM.logical_and(column_M_.gt(place_1_ - window)));
  }
  JobContext context;
  Taps none;
  Trace trace{none, context, 0};
  const at::Tensor x_B1d =
      decoder_->forward_at(decoder_->embed(ids_B1_), next_B1_, visibility, cache_, place_1_, trace);
  logits_BV_.copy_(decoder_->logits(x_B1d.select(1, 0)));
  next_B1_.add_(1);
  place_1_.add_(1);
}

const at::Tensor& FixedSteps::operator()(const at::Tensor& ids_B) {
  ids_B1_.copy_(ids_B.unsqueeze(1));
  const bool warm = graph_ || warm_ == std::this_thread::get_id();
  if (!warm || !has_work_graphs(ids_B1_.device())) {
    run();
    warm_ = std::this_thread::get_id();
    return logits_BV_;
  }
  if (!graph_) {
    graph_ = make_work_graph(ids_B1_.device());
    graph_->capture([this] { run(); });
  }
  graph_->replay();
  return logits_BV_;
}

}  // namespace torchsight
