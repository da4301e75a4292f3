// Every gradient of a sharded ViT-22B is that of the unsharded one; ranks are threads.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <map>

#include "tests/model_support.h"
#include "training/weights.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

using Gradients = std::map<std::string, at::Tensor>;

// 24 heads and 48 hidden units divide by 1, 2, 3, 4 and 8 ranks.
Json shardable(const std::string& changes) {
  Json config = small_config(R"({"hidden_size": 96, "num_attention_heads": 24, "num_labels": 3,
                                 "num_hidden_layers": 2, "class_token": true})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

ModuleOptions in_double(Json extra) {
  ModuleOptions options;
  options.dtype = at::kDouble;
  options.extra = std::move(extra);
  return options;
}

// The gradients of every weight, summed over the ranks where that is said to be needed.
Gradients gradients_of(const Json& config, const ModuleOptions& options, const at::Tensor& pixels) {
  const auto module = random_model(config, options);
  const std::vector<Weight> weights = weights_to_train(*module, {});
  {
    const at::AutoGradMode enabled(true);
    Call call{{{"pixel_values", pixels}}, Json::Object{}, Taps()};
    JobContext context;
    const at::Tensor logits_BK = get(module->run("classify", call, context), "logits");
    (logits_BK * at::cos(at::arange(logits_BK.numel(), at::kDouble)).view_as(logits_BK))
        .sum()
        .backward();
  }
  Gradients gradients;
  for (const Weight& weight : weights) {
    at::Tensor gradient = weight.gradient().clone();
    if (weight.partial) options.group->all_reduce(gradient);
    gradients[weight.name] = gradient;
  }
  return gradients;
}

at::Tensor part_of(const at::Tensor& full, const Parameter& parameter) {
  const auto& cut = parameter.cut;
  return cut ? full.narrow(cut->dim, cut->begin, cut->length) : full;
}

void check_gradients(const Json& config, const at::Tensor& pixels, int64_t size, const Json& extra,
                     double tolerance = 1e-12) {
  const Gradients expected = gradients_of(config, in_double({}), pixels);
  std::vector<Gradients> actual(size);
  std::vector<std::vector<Parameter>> parameters(size);
  on_ranks(size, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options = in_double(extra);
    options.group = group;
    actual[group->rank()] = gradients_of(config, options, pixels);
    parameters[group->rank()] = make_module(config, options)->parameters();
  });
  for (int64_t rank = 0; rank < size; ++rank) {
    REQUIRE(actual[rank].size() == expected.size());
    for (const Parameter& parameter : parameters[rank]) {
      CAPTURE(parameter.name);
      const at::Tensor full = expected.at(parameter.name);
      const at::Tensor reference = part_of(full, parameter);
      const double difference =
          (actual[rank].at(parameter.name) - reference).abs().max().item<double>();
      // Keys' biases change no softmax of one query: theirs are nothing but rounding.
      const double largest = full.abs().max().item<double>();
      CHECK((largest > 1e-6) == (parameter.name != "map.attn.k.bias"));
      CHECK(difference < tolerance * std::max(1e-2, largest));
    }
  }
}

const std::array<std::string, 3> kLayouts{"tokens", "features", "replicated"};

}  // namespace

TEST_CASE("every gradient equals the unsharded one, for odd token counts as well") {
  const at::Tensor odd = at::sin(at::arange(2 * 3 * 12 * 12, at::kDouble)).view({2, 3, 12, 12});
  const at::Tensor wide = at::sin(at::arange(3 * 12 * 16, at::kDouble)).view({1, 3, 12, 16});
  for (const char* block : {"parallel", "sequential"}) {
    Json config = shardable("{}");
    config.set("block", block);
    for (const std::string& layout : kLayouts) {
      for (const int64_t size : {1, 2, 3, 4, 8}) {
        CAPTURE(block);
        CAPTURE(layout);
        CAPTURE(size);
        check_gradients(config, odd, size, Json::Object{{"layout", layout}});
        check_gradients(config, wide, size, Json::Object{{"layout", layout}, {"overlap", "ring"}});
      }
    }
  }
}

TEST_CASE("every gradient equals the unsharded one, for every option that is cut") {
  const at::Tensor pixels = at::sin(at::arange(2 * 3 * 12 * 12, at::kDouble)).view({2, 3, 12, 12});
  for (const char* changes :
       {R"({"qkv_bias": true, "qk_norm_scale": "per_head", "qk_norm": "rmsnorm"})",
        R"({"block": "sequential", "qkv_bias": true, "norm": "layernorm", "hidden_act": "gelu"})",
        R"({"block": "sequential", "mlp_bias": false, "attention_out_bias": false})",
        R"({"mlp_bias": false, "qk_norm": "none", "norm": "layernorm_no_bias"})",
        R"({"attention_out_bias": false, "pooling": "mean", "class_token": false})"}) {
    CAPTURE(std::string(changes));
    for (const std::string& layout : kLayouts) {
      for (const bool fuse : {true, false}) {
        CAPTURE(layout);
        CAPTURE(fuse);
        const Json extra = Json::Object{{"layout", layout}, {"fuse", fuse}};
        check_gradients(shardable(changes), pixels, 3, extra);
      }
    }
  }
}

TEST_CASE("gradients of fewer tokens than ranks") {
  const at::Tensor pixels = at::sin(at::arange(3 * 4 * 8, at::kDouble)).view({1, 3, 4, 8});
  check_gradients(shardable("{}"), pixels, 8, Json::Object{{"overlap", "ring"}});
}

TEST_CASE("hiding messages changes no bit of a gradient, nor does another run") {
  const at::Tensor pixels = at::sin(at::arange(2 * 3 * 12 * 16, at::kDouble)).view({2, 3, 12, 16});
  for (const std::string& layout : kLayouts) {
    for (const int64_t pieces : {1, 3}) {
      std::vector<Gradients> results(9);
      on_ranks(3, [&](const std::shared_ptr<Group>& group) {
        int64_t run = 0;
        for (const char* overlap : {"none", "ring", "ring"}) {
          ModuleOptions options =
              in_double(Json::Object{{"layout", layout}, {"overlap", overlap}, {"pieces", pieces}});
          options.group = group;
          results[3 * run++ + group->rank()] = gradients_of(shardable("{}"), options, pixels);
        }
      });
      for (size_t i = 3; i < results.size(); ++i) {
        for (const auto& [name, gradient] : results[i]) {
          CAPTURE(layout);
          CAPTURE(name);
          CHECK(at::equal(gradient, results[i % 3].at(name)));
        }
      }
    }
  }
}
