#include "training/whole_state.h"

#include <ATen/ATen.h>

#include "runtime/error.h"
#include "training/optimizer.h"

namespace torchsight {
namespace {

// The weights without memory; `full`: as if they were not cut.
std::vector<Weight> outlines_of(const std::vector<Weight>& weights, bool full) {
  std::vector<Weight> outlines = weights;
  for (Weight& weight : outlines) {
    const std::vector<int64_t> sizes = full ? weight.full_sizes() : weight.value.sizes().vec();
    weight.value = at::empty(sizes, weight.value.options().device(at::kMeta).requires_grad(false));
    weight.leaf = weight.value;
  }
  return outlines;
}

}  // namespace

WholeState::WholeState(RunRanks ranks, const StateShares& shares,
                       const std::vector<Weight>& weights, const Json& optimizer, bool averages)
    : ranks_(std::move(ranks)), shares_(shares), weights_(weights) {
  const std::vector<Weight> full = outlines_of(weights, true), local = outlines_of(weights, false);
  const auto of_full = make_optimizer(optimizer, full), of_local = make_optimizer(optimizer, local);
  for (size_t i = 0; i < weights.size(); ++i) {
    const NamedTensors parts = of_local->state(i);
    for (const auto& [name, tensor] : of_full->state(i)) {
      entries_.push_back(
          {"optimizer." + weights[i].name + "." + name, i, tensor, *find_tensor(parts, name)});
    }
    if (averages) entries_.push_back({"ema." + weights[i].name, i, full[i].value, local[i].value});
  }
}

void WholeState::refuse(const std::string& what) {
  throw Error(ErrorCode::kBadInput,
              "expected the state of a trainer of this model with these options, but it differs "
              "in " +
                  what);
}

int64_t WholeState::cut_dim(const Entry& entry) {
  for (int64_t d = 0; d < entry.full.dim(); ++d) {
    if (entry.full.size(d) != entry.local.size(d)) return d;
  }
  return -1;
}

at::Tensor WholeState::whole(const Entry& entry, at::Tensor part) const {
  if (shares_.divided()) {
    part = ranks_.replicas->all_gather(part.unsqueeze(0))[shares_.owner(entry.weight)];
  }
  const int64_t dim = cut_dim(entry);
  if (dim < 0) return part.clone();
  const Cut& cut = *weights_[entry.weight].cut;
  const at::Tensor begins = ranks_.parts->all_gather(at::full({1}, cut.begin, at::kLong));
  const at::Tensor parts = ranks_.parts->all_gather(part.unsqueeze(0));
  at::Tensor full = at::empty(entry.full.sizes(), part.options());
  for (int64_t r = 0; r < ranks_.parts->size(); ++r) {
    full.narrow(dim, begins[r].item<int64_t>(), cut.length).copy_(parts[r]);
  }
  return full;
}

NamedTensors WholeState::gather(const NamedTensors& own) const {
  NamedTensors all;
  for (const Entry& entry : entries_) {
    const at::Tensor* mine = find_tensor(own, entry.name);
    const at::Tensor& like = weights_[entry.weight].value;
    all.emplace_back(entry.name,
                     whole(entry, mine ? *mine
                                       : at::zeros(entry.local.sizes(),
                                                   entry.local.options().device(like.device()))));
  }
  return all;
}

void WholeState::scatter(const NamedTensors& whole, const NamedTensors& own) const {
  if (whole.size() != entries_.size()) refuse("as many tensors");
  for (const Entry& entry : entries_) {
    const at::Tensor* saved = find_tensor(whole, entry.name);
    if (!saved || saved->sizes() != entry.full.sizes()) refuse(entry.name);
  }
  for (const Entry& entry : entries_) {
    const at::Tensor* mine = find_tensor(own, entry.name);
    if (!mine) continue;
    at::Tensor part = *find_tensor(whole, entry.name);
    if (const int64_t dim = cut_dim(entry); dim >= 0) {
      const Cut& cut = *weights_[entry.weight].cut;
      part = part.narrow(dim, cut.begin, cut.length);
    }
    at::Tensor memory = *mine;
    memory.copy_(part);
  }
}

}  // namespace torchsight
