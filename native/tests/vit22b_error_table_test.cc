// How far a sharded ViT-22B may be from the unsharded one with the same weights: one layer alone,
// and a small model whole. Ranks are threads of this process.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

struct Bound {
  at::ScalarType dtype;
  const char* reduce_dtype;  // in which partial sums travel
  double layer;              // of `excess`
  double model;              // the same, or the least cosine in half precision
};

constexpr Bound kBounds[] = {
    {at::kDouble, "float32", 1e-13, 1e-12},  // where sums travel as float64 all the same
    {at::kFloat, "float32", 2e-6, 2e-5},
    {at::kBFloat16, "bfloat16", 1e-2, 0.999},
    {at::kBFloat16, "float32", 4e-3, 0.9995},
};
constexpr int64_t kDeep = 12;  // layers: as many as the bound of float32 is for

// Heads and hidden units divide by 1, 2, 3, 4 and 8 ranks.
Json config_of_depth(int64_t layers) {
  Json config =
      small_config(R"({"hidden_size": 96, "num_attention_heads": 24, "class_token": true})");
  return config.set("num_hidden_layers", layers);
}

// 10 and 13 tokens: most numbers of ranks divide neither. No dtype rounds the pictures.
const std::vector<at::Tensor>& pictures() {
  const auto draw = [](at::IntArrayRef shape) {
    return (at::rand(shape) * 2 - 1).to(at::kBFloat16).to(at::kFloat);
  };
  static const std::vector<at::Tensor> both{draw({2, 3, 12, 12}), draw({3, 3, 12, 16})};
  return both;
}

std::vector<at::Tensor> results_of(Module& model, const std::string& name) {
  std::vector<at::Tensor> results;
  for (const at::Tensor& pixels : pictures()) {
    results.push_back(get(call(model, "encode", pixels, {"all"}), name).to(at::kDouble));
  }
  return results;
}

// The unsharded results of this arithmetic, and those of its weights without any rounding.
struct Reference {
  std::vector<at::Tensor> unsharded, exact;
};

Reference reference_of(const Bound& bound, int64_t layers, const std::string& name) {
  ModuleOptions options;
  options.dtype = bound.dtype;
  Reference reference{results_of(*random_model(config_of_depth(layers), options), name), {}};
  options.dtype = at::kDouble;
  const auto exact = random_model(config_of_depth(layers), options);
  for (const Parameter& parameter : exact->parameters()) {
    at::Tensor(parameter.tensor).copy_(parameter.tensor.to(bound.dtype));
  }
  reference.exact = results_of(*exact, name);
  return reference;
}

// Shows `check` what each rank has of the pictures, in all layouts on all numbers of ranks.
void each_rank(const Bound& bound, int64_t layers, const std::string& name,
               const std::function<void(const std::vector<at::Tensor>&)>& check) {
  for (const std::string layout : {"tokens", "features", "replicated"}) {
    for (const int64_t size : {1, 2, 3, 4, 8}) {
      CAPTURE(dtype_name(bound.dtype));
      CAPTURE(layout);
      CAPTURE(size);
      std::vector<std::vector<at::Tensor>> ranks(size);
      on_ranks(size, [&](const std::shared_ptr<Group>& group) {
        ModuleOptions options;
        options.dtype = bound.dtype;
        options.extra = Json::Object{{"layout", layout}, {"reduceDtype", bound.reduce_dtype}};
        options.group = group;
        ranks[group->rank()] = results_of(*random_model(config_of_depth(layers), options), name);
      });
      for (const auto& rank : ranks) check(rank);
    }
  }
}

double largest_difference(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

double norm_of_difference(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual - expected).norm() / expected.norm()).item<double>();
}

// What sharding adds. In half precision one unit in the last place is up to 2^-7 of a number, and
// an unsharded layer is some 4e-3 from the exact one: two that round differently are as far from
// each other. There the errors of both are compared, of which only what is beyond the unsharded
// one's counts.
double excess(const Bound& bound, const Reference& reference, const at::Tensor& actual, size_t i) {
  if (bound.dtype != at::kBFloat16) return largest_difference(actual, reference.unsharded[i]);
  const double sharded = norm_of_difference(actual, reference.exact[i]);
  const double unsharded = norm_of_difference(reference.unsharded[i], reference.exact[i]);
  return std::sqrt(std::max(0.0, sharded * sharded - unsharded * unsharded));
}

}  // namespace

TEST_CASE("one sharded layer alone adds no more than its arithmetic allows") {
  for (const Bound& bound : kBounds) {
    const Reference reference = reference_of(bound, 1, "blocks.0");
    each_rank(bound, 1, "blocks.0", [&](const std::vector<at::Tensor>& rank) {
      for (size_t i = 0; i < rank.size(); ++i) {
        CHECK(excess(bound, reference, rank[i], i) <= bound.layer);
      }
    });
  }
}

TEST_CASE("twelve sharded layers add no more than their arithmetic allows") {
  for (const Bound& bound : kBounds) {
    const Reference reference = reference_of(bound, kDeep, "last_hidden_state");
    each_rank(bound, kDeep, "last_hidden_state", [&](const std::vector<at::Tensor>& rank) {
      for (size_t i = 0; i < rank.size(); ++i) {
        const at::Tensor& unsharded = reference.unsharded[i];
        if (bound.dtype != at::kBFloat16) {
          CHECK(largest_difference(rank[i], unsharded) <= bound.model);
          continue;
        }
        const at::Tensor cosine = at::cosine_similarity(rank[i].flatten(), unsharded.flatten(), 0);
        CHECK(cosine.item<double>() >= bound.model);
      }
    });
  }
}
