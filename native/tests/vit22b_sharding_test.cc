// A sharded ViT-22B equals the unsharded one; ranks are threads of this process.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <atomic>

#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

// 24 heads and 48 hidden units divide by 1, 2, 3, 4 and 8 ranks.
Json shardable(const std::string& changes = "{}") {
  Json config = small_config(
      R"({"hidden_size": 192, "num_attention_heads": 24, "num_labels": 3, "class_token": true})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

const Json kTelemetry = Json::Object{{"telemetry", true}};

// All results and taps of every rank against the unsharded model's.
void check_sharded(const Json& config, const at::Tensor& pixels, int64_t size, at::ScalarType dtype,
                   double tolerance, const Json& extra = Json::Object{}) {
  ModuleOptions options;
  options.dtype = dtype;
  options.extra = extra;
  const NamedTensors expected =
      call(*random_model(config, options), "encode", pixels, {"all"}, kTelemetry);
  std::vector<NamedTensors> actual(size);
  on_ranks(size, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions mine = options;
    mine.group = group;
    const auto module = random_model(config, mine);
    actual[group->rank()] = call(*module, "encode", pixels, {"all"}, kTelemetry);
  });
  for (const NamedTensors& rank : actual) {
    REQUIRE(rank.size() == expected.size());
    for (const auto& [name, reference] : expected) {
      CAPTURE(name);
      CHECK(relative_error(get(rank, name), reference) < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("sharded equals unsharded in every layout, for odd token counts as well") {
  const at::Tensor odd = at::rand({2, 3, 12, 12}) * 2 - 1;   // 9 patches and the class token
  const at::Tensor wide = at::rand({3, 3, 12, 16}) * 2 - 1;  // 13 tokens
  for (const std::string layout : {"tokens", "features", "replicated"}) {
    for (const int64_t size : {1, 2, 3, 4, 8}) {
      CAPTURE(layout);
      CAPTURE(size);
      const Json extra = Json::Object{{"layout", layout}};
      check_sharded(shardable(), odd, size, at::kDouble, 1e-12, extra);
      check_sharded(shardable(), wide, size, at::kDouble, 1e-12, extra);
      check_sharded(shardable(), wide, size, at::kFloat, 2e-5, extra);
    }
  }
}

TEST_CASE("hiding messages behind products changes no bit") {
  const at::Tensor pixels = at::rand({3, 3, 12, 16}) * 2 - 1;  // 13 tokens
  for (const std::string layout : {"tokens", "features", "replicated"}) {
    for (const int64_t size : {2, 3, 4}) {
      for (const int64_t pieces : {1, 2, 5}) {
        std::vector<NamedTensors> results(2 * size);
        on_ranks(size, [&](const std::shared_ptr<Group>& group) {
          for (const bool ring : {false, true}) {
            ModuleOptions options;
            options.group = group;
            options.extra = Json::Object{
                {"layout", layout}, {"overlap", ring ? "ring" : "none"}, {"pieces", pieces}};
            results[2 * group->rank() + ring] =
                call(*random_model(shardable(), options), "encode", pixels, {"all"});
          }
        });
        for (const NamedTensors& result : results) {
          for (const auto& [name, tensor] : result) {
            CAPTURE(layout);
            CAPTURE(name);
            CHECK(tensor.equal(get(results[0], name)));
          }
        }
      }
    }
  }
}

TEST_CASE("sharded equals unsharded for every option that is cut") {
  const at::Tensor pixels = at::rand({2, 3, 12, 16}) * 2 - 1;
  for (const char* changes :
       {R"({"qkv_bias": true, "qk_norm_scale": "per_head", "qk_norm": "rmsnorm"})",
        R"({"block": "sequential", "qkv_bias": true, "norm": "layernorm"})",
        R"({"block": "sequential", "mlp_bias": false, "attention_out_bias": false})",
        R"({"mlp_bias": false, "attention_out_bias": false, "qk_norm": "none"})",
        R"({"attention_out_bias": false, "pooling": "mean", "class_token": false})"}) {
    CAPTURE(std::string(changes));
    for (const std::string layout : {"tokens", "features", "replicated"}) {
      CAPTURE(layout);
      const Json extra = Json::Object{{"layout", layout}};
      for (const int64_t size : {2, 3}) {
        check_sharded(shardable(changes), pixels, size, at::kDouble, 1e-12, extra);
      }
    }
  }
}

TEST_CASE("fewer tokens than ranks") {
  const at::Tensor pixels = at::rand({1, 3, 4, 8}) * 2 - 1;  // 3 tokens
  check_sharded(shardable(), pixels, 8, at::kDouble, 1e-12, Json::Object{{"overlap", "ring"}});
}

TEST_CASE("cuts tile every full tensor") {
  const Json config = shardable(R"({"qkv_bias": true, "qk_norm_scale": "per_head"})");
  ModuleOptions whole;
  const auto expected = make_module(config, whole)->parameters();
  std::vector<std::vector<Parameter>> ranks(3);
  on_ranks(3, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options;
    options.group = group;
    ranks[group->rank()] = make_module(config, options)->parameters();
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    int64_t end = 0;
    for (const auto& parameters : ranks) {
      REQUIRE(parameters.size() == expected.size());
      const Parameter& part = parameters[i];
      CHECK(part.name == expected[i].name);
      CHECK(part.full_shape == expected[i].full_shape);
      if (!part.cut) {
        CHECK(part.tensor.sizes() == expected[i].tensor.sizes());
        continue;
      }
      CHECK(part.cut->begin == end);
      CHECK(part.tensor.size(part.cut->dim) == part.cut->length);
      end = part.cut->begin + part.cut->length;
    }
    if (ranks[0][i].cut) CHECK(end == expected[i].full_shape[ranks[0][i].cut->dim]);
  }
}

TEST_CASE("what does not divide by the ranks is refused with its name") {
  const auto refusal = [](const char* changes, Json extra = {}) {
    std::string text;
    try {
      on_ranks(2, [&](const std::shared_ptr<Group>& group) {
        ModuleOptions options;
        options.group = group;
        options.extra = extra;
        make_module(small_config(changes), options);
      });
    } catch (const Error& error) {
      text = std::string(to_string(error.code())) + ": " + error.what();
    }
    return text;
  };
  CHECK(refusal("{}") == "");
  CHECK(
      refusal(R"({"num_attention_heads": 1})").starts_with("BAD_CONFIG: expected a multiple of 2"));
  CHECK(refusal(R"({"num_attention_heads": 1})").find("num_attention_heads") != std::string::npos);
  CHECK(refusal(R"({"intermediate_size": 47})").find("intermediate_size") != std::string::npos);
  CHECK(refusal("{}", Json::Object{{"layout", "rings"}}).starts_with("BAD_CONFIG"));
  const Json features = Json::Object{{"layout", "features"}};
  CHECK(refusal(R"({"hidden_size": 32})", features) == "");
  CHECK(refusal("{}", Json::Object{{"overlap", "always"}}).find("for overlap") !=
        std::string::npos);
  CHECK(refusal("{}", Json::Object{{"pieces", 0}}).find("for pieces") != std::string::npos);
  CHECK(refusal("{}", Json::Object{{"reduceDtype", "bfloat16"}}).starts_with("BAD_CONFIG"));
}

TEST_CASE("a cancel on one rank ends the call on all, behind the layer under way") {
  struct Context final : JobContext {
    explicit Context(bool cancels) : cancels(cancels) {}
    bool cancels;
    double done = 0;
    bool cancelled() const noexcept override { return cancels && done == 1; }
    void checkpoint() override { throw Error(ErrorCode::kDeadline, "too late"); }
    void progress(const Progress& state) override { done = state.done; }
  };
  std::atomic<int> stopped{0}, named{0};
  on_ranks(3, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options;
    options.group = group;
    const auto module = random_model(shardable(), options);
    Context context(group->rank() == 1);
    Call request{{{"pixel_values", at::rand({1, 3, 12, 12})}}, Json::Object{}, Taps()};
    try {
      module->call("encode", request, context);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kDeadline) ++named;
    }
    if (context.done == 2) ++stopped;
  });
  CHECK(stopped == 3);
  CHECK(named == 3);
}
