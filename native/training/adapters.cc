#include "training/adapters.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "runtime/config_reader.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr int64_t kMostRank = 1 << 16;
constexpr double kMostAlpha = 1e6;
constexpr int64_t kMostSeed = (int64_t{1} << 53) - 1;
constexpr std::string_view kWeight = ".weight";

bool is_matrix(const Parameter& parameter) {
  return !parameter.buffer && parameter.tensor.dim() == 2 && parameter.name.ends_with(kWeight);
}

}  // namespace

AdapterOptions AdapterOptions::from_json(const Json& json) {
  const ConfigReader reader(json, "adapters.");
  AdapterOptions options;
  options.patterns = reader.strings("patterns").value_or(std::vector<std::string>{});
  if (options.patterns.empty()) reader.refuse("patterns of names", "patterns", json.dump());
  options.rank = reader.size("rank", kMostRank, options.rank);
  options.alpha = reader.positive("alpha", kMostAlpha, static_cast<double>(options.rank));
  options.seed = reader.size("seed", kMostSeed, 0, 0);
  return options;
}

Adapters::Adapters(Module& module, const AdapterOptions& options)
    : scale_(options.alpha / static_cast<double>(options.rank)) {
  if (module.options().group) {
    throw Error(ErrorCode::kUnsupported,
                "expected a model in one piece for adapters but received a sharded one");
  }
  auto generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  std::vector<bool> used(options.patterns.size());
  for (const Parameter& parameter : module.parameters()) {
    if (!is_matrix(parameter)) continue;
    bool wanted = false;
    for (size_t p = 0; p < used.size(); ++p) {
      if (!fits(options.patterns[p], parameter.name)) continue;
      wanted = used[p] = true;
    }
    if (!wanted) continue;
    const at::Tensor& matrix = parameter.tensor;
    if (matrix.is_meta()) {
      throw Error(ErrorCode::kUnsupported,
                  "expected weights as they were loaded for adapters but received integers for " +
                      parameter.name);
    }
    const int64_t out = matrix.size(0), in = matrix.size(1);
    const auto dtype = at::promote_types(matrix.scalar_type(), at::kFloat);
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    const at::Tensor drawn_RI =
        at::empty({options.rank, in}, at::kFloat).uniform_(-bound, bound, generator);
    const at::Tensor leaf = leaf_of(matrix);
    leaf.requires_grad_(true);
    adapters_.push_back({{parameter.name, matrix, leaf},
                         matrix.detach().clone(),
                         drawn_RI.to(matrix.options().dtype(dtype)),
                         at::zeros({out, options.rank}, matrix.options().dtype(dtype))});
  }
  for (size_t p = 0; p < used.size(); ++p) {
    if (used[p]) continue;
    throw Error(ErrorCode::kBadConfig,
                "expected a pattern that fits a matrix named *.weight for adapters.patterns but "
                "received \"" +
                    options.patterns[p] + "\"");
  }
}

Adapters::~Adapters() {
  for (Adapter& adapter : adapters_) {
    adapter.matrix.leaf.mutable_grad().reset();
    adapter.matrix.leaf.requires_grad_(false);
  }
}

std::vector<Weight> Adapters::weights() const {
  std::vector<Weight> weights;
  for (const Adapter& adapter : adapters_) {
    std::string name = adapter.matrix.name;
    name.resize(name.size() - kWeight.size());
    weights.push_back({name + ".lora_A.weight", adapter.a_RI, adapter.a_RI});
    weights.push_back({name + ".lora_B.weight", adapter.b_OR, adapter.b_OR});
  }
  return weights;
}

bool Adapters::adapts(std::string_view name) const {
  for (const Adapter& adapter : adapters_) {
    if (adapter.matrix.name == name) return true;
  }
  return false;
}

NamedTensors Adapters::base() const {
  NamedTensors base;
  for (const Adapter& adapter : adapters_) base.emplace_back(adapter.matrix.name, adapter.base_OI);
  return base;
}

void Adapters::merge() const {
  const at::NoGradGuard no_grad;
  for (const Adapter& adapter : adapters_) {
    at::Tensor matrix_OI = adapter.matrix.value;
    matrix_OI.copy_(adapter.base_OI + at::mm(adapter.b_OR, adapter.a_RI) * scale_);
  }
}

void Adapters::take_out() const {
  const at::NoGradGuard no_grad;
  for (const Adapter& adapter : adapters_) {
    at::Tensor matrix_OI = adapter.matrix.value;
    matrix_OI.copy_(adapter.base_OI);
  }
}

void Adapters::derive() const {
  const at::NoGradGuard no_grad;
  for (const Adapter& adapter : adapters_) {
    const at::Tensor whole_OI = adapter.matrix.gradient().to(adapter.a_RI.scalar_type()) * scale_;
    adapter.a_RI.mutable_grad() = at::mm(adapter.b_OR.t(), whole_OI);
    adapter.b_OR.mutable_grad() = at::mm(whole_OI, adapter.a_RI.t());
  }
}

void Adapters::clear() const {
  for (const Adapter& adapter : adapters_) adapter.matrix.leaf.mutable_grad().reset();
}

}  // namespace torchsight
