#include "training/weights.h"

#include <ATen/ATen.h>

#include "runtime/config_reader.h"
#include "runtime/error.h"
#include "training/adapters.h"

namespace torchsight {
namespace {

constexpr double kMost = 1e6;

}  // namespace

bool fits(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (name.substr(0, star) != pattern.substr(0, star)) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t i = star; i <= name.size(); ++i) {
    if (fits(rest, name.substr(i))) return true;
  }
  return false;
}

at::Tensor leaf_of(const at::Tensor& value) {
  return value.is_view() ? at::Tensor(value._base()) : value;
}

std::vector<GroupOptions> groups_from_json(const Json& json) {
  std::vector<GroupOptions> groups;
  for (const Json& entry : json.as_array("groups")) {
    const ConfigReader reader(entry, "groups.");
    const Json* pattern = entry.find("pattern");
    if (!pattern || !pattern->is_string() || pattern->as_string().empty()) {
      reader.refuse("a pattern of names", "pattern", pattern ? pattern->dump() : "nothing");
    }
    groups.push_back({pattern->as_string(), reader.non_negative("rate", kMost, 1),
                      reader.non_negative("decay", kMost, 0), reader.flag("frozen", false)});
  }
  return groups;
}

at::Tensor Weight::gradient() const {
  const at::Tensor& whole = leaf.grad();
  if (!whole.defined()) return at::zeros_like(value);
  if (value.is_same(leaf)) return whole;
  const at::Tensor plain = whole.contiguous();
  return plain.as_strided(value.sizes(), value.strides(),
                          plain.storage_offset() + value.storage_offset() - leaf.storage_offset());
}

std::vector<Weight> weights_to_train(Module& module, const std::vector<GroupOptions>& groups,
                                     const Adapters* adapters) {
  std::vector<Weight> weights;
  std::vector<bool> used(groups.size());
  // Adds a weight as the first group that fits it says.
  const auto add = [&](Weight weight, bool adapter) {
    GroupOptions own;
    own.frozen = adapters && !adapter;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (!fits(groups[g].pattern, weight.name)) continue;
      used[g] = true;
      own = groups[g];
      break;
    }
    if (own.frozen) return;
    weight.rate = own.rate;
    weight.decay = own.decay;
    weights.push_back(std::move(weight));
  };
  for (const Parameter& parameter : module.parameters()) {
    if (parameter.buffer || (adapters && adapters->adapts(parameter.name))) continue;
    Weight weight{parameter.name, parameter.tensor, leaf_of(parameter.tensor)};
    weight.cut = parameter.cut;
    weight.full_shape = parameter.full_shape;
    weight.partial = parameter.partial;
    add(std::move(weight), false);
  }
  if (adapters) {
    for (Weight& weight : adapters->weights()) add(std::move(weight), true);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    if (used[g]) continue;
    throw Error(ErrorCode::kBadConfig,
                "expected a pattern that fits a parameter which no earlier "
                "one fits for groups.pattern but received \"" +
                    groups[g].pattern + "\"");
  }
  if (weights.empty()) {
    throw Error(ErrorCode::kBadConfig, "expected parameters to train but all are frozen");
  }
  for (const Weight& weight : weights) weight.leaf.requires_grad_(true);
  return weights;
}

void clear_gradients(const std::vector<Weight>& weights) {
  for (const Weight& weight : weights) weight.leaf.mutable_grad().reset();
}

}  // namespace torchsight
