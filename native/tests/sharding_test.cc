// Sharded SigLIP, Gemma and PaliGemma equal the unsharded ones; ranks are threads of this process.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

const Json kTower = Json::parse(
    R"({"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 12,
        "intermediate_size": 96})");

Json tower(const std::string& more) {
  Json config = kTower;
  const Json parsed = Json::parse(more);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

Json siglip() {
  const Json vision = tower(R"({"image_size": 20, "patch_size": 4})");
  const Json text = tower(R"({"vocab_size": 64, "max_position_embeddings": 7})");
  return Json::Object{{"model_type", "siglip"}, {"vision_config", vision}, {"text_config", text}};
}

Json gemma(int64_t kv_heads, int64_t vocabulary, bool gemma2 = false) {
  Json config = tower(R"({"head_dim": 8, "max_position_embeddings": 64})");
  config.set("model_type", gemma2 ? "gemma2" : "gemma").set("num_key_value_heads", kv_heads);
  config.set("vocab_size", vocabulary);
  if (gemma2) config.set("sliding_window", 4).set("query_pre_attn_scalar", 8);
  return config;
}

NamedTensors run(Module& module, const std::string& method, const NamedTensors& inputs,
                 const Json& options = Json::Object{}) {
  Call call{inputs, options, Taps({"all"})};
  JobContext context;
  return module.call(method, call, context);
}

// All results and taps of every rank against the unsharded model's, in float64.
void check_sharded(const Json& config, const std::string& method, const NamedTensors& inputs,
                   int64_t size, const Json& extra, const Json& options = Json::Object{}) {
  ModuleOptions whole;
  whole.dtype = at::kDouble;
  const NamedTensors expected = run(*random_model(config, whole), method, inputs, options);
  std::vector<NamedTensors> actual(size);
  on_ranks(size, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions mine = whole;
    mine.group = group;
    mine.extra = extra;
    actual[group->rank()] = run(*random_model(config, mine), method, inputs, options);
  });
  for (const NamedTensors& rank : actual) {
    REQUIRE(rank.size() == expected.size());
    for (const auto& [name, reference] : expected) {
      CAPTURE(name);
      const at::Tensor actual_one = get(rank, name);
      if (reference.is_floating_point()) {
        CHECK(relative_error(actual_one, reference) < 1e-11);
      } else {
        CHECK(actual_one.equal(reference));
      }
    }
  }
}

const Json kNothing = Json::Object{};

}  // namespace

TEST_CASE("a sharded SigLIP: both towers, every layout") {
  const NamedTensors inputs{{"pixel_values", at::rand({2, 3, 20, 20}, at::kDouble) * 2 - 1},
                            {"input_ids", at::randint(64, {3, 7}, at::kLong)},
                            {"attention_mask", at::tensor({1, 1, 1, 1, 1, 0, 0}).repeat({3, 1})}};
  for (const std::string layout : {"tokens", "features", "replicated"}) {
    for (const int64_t size : {2, 3, 4}) {
      CAPTURE(layout);
      CAPTURE(size);
      const Json extra = Json::Object{{"layout", layout}, {"overlap", "ring"}, {"pieces", 2}};
      check_sharded(siglip(), "similarity", inputs, size, extra);
      check_sharded(siglip(), "encode_image", {inputs[0]}, size, extra);
    }
  }
}

TEST_CASE(
    "a sharded Gemma: keys of many heads, of few and of one; vocabularies that divide or not") {
  const NamedTensors inputs{{"input_ids", at::randint(60, {2, 9}, at::kLong)},
                            {"attention_mask", at::ones({2, 9}, at::kLong)}};
  inputs[1].second[0].narrow(0, 0, 3).zero_();
  for (const int64_t kv_heads : {12, 4, 1}) {
    for (const int64_t vocabulary : {60, 61}) {
      for (const int64_t size : {2, 4}) {
        CAPTURE(kv_heads);
        CAPTURE(vocabulary);
        CAPTURE(size);
        check_sharded(gemma(kv_heads, vocabulary), "forward", inputs, size, kNothing);
        check_sharded(gemma(kv_heads, vocabulary), "score", inputs, size, kNothing);
      }
    }
  }
  check_sharded(gemma(4, 60, /*gemma2=*/true), "forward", inputs, 4, kNothing);
}

TEST_CASE("a sharded Gemma writes the same texts, drawn and searched") {
  const NamedTensors inputs{{"input_ids", at::randint(60, {2, 5}, at::kLong)}};
  for (const char* options :
       {R"({"max_new_tokens": 8})", R"({"max_new_tokens": 8, "do_sample": true, "seeds": [3, 4]})",
        R"({"max_new_tokens": 6, "num_beams": 3})"}) {
    CAPTURE(std::string(options));
    for (const int64_t kv_heads : {4, 1}) {
      check_sharded(gemma(kv_heads, 60), "generate", inputs, 4, kNothing, Json::parse(options));
    }
  }
}

TEST_CASE("cuts of a Gemma tile every tensor but those of shared keys") {
  const Json config = gemma(1, 60);
  const auto expected = make_module(config, {})->parameters();
  std::vector<std::vector<Parameter>> ranks(4);
  on_ranks(4, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options;
    options.group = group;
    ranks[group->rank()] = make_module(config, options)->parameters();
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    int64_t held = 0;
    for (const auto& parameters : ranks) {
      CHECK(parameters[i].full_shape == expected[i].full_shape);
      if (parameters[i].cut) held += parameters[i].cut->length;
    }
    const bool shared = expected[i].name.find("k_proj") != std::string::npos ||
                        expected[i].name.find("v_proj") != std::string::npos;
    if (!ranks[0][i].cut) continue;
    const int64_t full = expected[i].full_shape[ranks[0][i].cut->dim];
    CHECK(held == (shared ? 4 * full : full));
  }
}

TEST_CASE("what does not divide by the ranks is refused by the name of its config") {
  const auto refusal = [](const Json& config, int64_t size) {
    std::string text;
    try {
      on_ranks(size, [&](const std::shared_ptr<Group>& group) {
        ModuleOptions options;
        options.group = group;
        make_module(config, options);
      });
    } catch (const Error& error) {
      text = std::string(to_string(error.code())) + ": " + error.what();
    }
    return text;
  };
  CHECK(refusal(siglip(), 5).find("vision_config.num_attention_heads") != std::string::npos);
  CHECK(refusal(gemma(4, 60), 5).starts_with("BAD_CONFIG"));
  CHECK(refusal(gemma(4, 60), 6).find("num_key_value_heads") != std::string::npos);
  CHECK(refusal(gemma(4, 60), 2) == "");
  const Json owl = Json::Object{{"model_type", "owlvit"}};
  CHECK(refusal(owl, 2).starts_with("UNSUPPORTED"));
}
