// ViT-22B against its fixtures (scripts/oracles/vit22b.py) and its own promises.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <map>

#include "io/tensor_file.h"
#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

// Every result and tap that the fixture has, against what the model gives.
void check_parity(const std::filesystem::path& folder, const ModuleOptions& options,
                  double tolerance) {
  const auto module = load_fixture(folder, options);
  const at::Tensor pixels = get(read_tensors(folder / "inputs.safetensors"), "pixel_values");
  const NamedTensors expected = read_tensors(folder / "expected.safetensors");
  Json telemetry = Json::Object{};
  telemetry.set("telemetry", true);
  NamedTensors actual = call(*module, "encode", pixels, {"all"}, telemetry);
  if (find_tensor(expected, "logits")) {
    actual.push_back({"logits", get(call(*module, "classify", pixels), "logits")});
  }
  CHECK(actual.size() == expected.size());
  for (const auto& [name, reference] : expected) {
    CAPTURE(name);
    const at::Tensor ours = get(actual, name);
    REQUIRE(ours.sizes() == reference.sizes());
    const double spread = reference.numel() > 1 ? reference.std().item<double>() : 1;
    const double error = (ours.to(at::kDouble) - reference).abs().max().item<double>();
    CHECK(error <= tolerance * spread + 1e-6);
  }
}

int64_t count(Module& module, const std::string& suffix, const std::string& prefix = "") {
  int64_t total = 0;
  for (const Parameter& parameter : module.parameters()) {
    if (parameter.name.starts_with(prefix) && parameter.name.ends_with(suffix)) {
      total += c10::multiply_integers(parameter.full_shape);
    }
  }
  return total;
}

}  // namespace

TEST_CASE("vit22b: a new head begins with the bias that its config or its loss says") {
  const auto bias = [](const std::string& changes) {
    const auto module = make_module(small_config("{\"num_labels\": 3" + changes + "}"), {});
    for (const Parameter& parameter : module->parameters()) {
      if (parameter.name == "head.bias") return parameter.init.value;
    }
    return 0.0;
  };
  CHECK(bias("") == -10);
  CHECK(bias(R"(, "loss": "softmax")") == 0);
  CHECK(bias(R"(, "init_head_bias": -1.5)") == -1.5);
  CHECK_THROWS_AS(bias(R"(, "init_head_bias": "low")"), Error);
}

TEST_CASE("fixtures: every result and tap, fused and not, in float32 and float64") {
  REQUIRE(vit22b_fixtures().size() >= 18);
  for (const auto& folder : vit22b_fixtures()) {
    CAPTURE(folder.filename().string());
    for (const bool fuse : {true, false}) {
      ModuleOptions options;
      options.extra = Json::Object{{"fuse", fuse}};
      check_parity(folder, options, 5e-5);
      options.dtype = at::kDouble;
      check_parity(folder, options, 1e-6);
    }
  }
}

TEST_CASE("parameters are exactly the tensors of the checkpoint contract") {
  for (const auto& folder : vit22b_fixtures()) {
    CAPTURE(folder.filename().string());
    const auto file = open_tensor_file(folder / "model.safetensors");
    ModuleOptions meta;
    meta.device = at::kMeta;
    const auto parameters = make_module(read_config(folder), meta)->parameters();
    CHECK(parameters.size() == file->tensors().size());
    for (const Parameter& parameter : parameters) {
      CAPTURE(parameter.name);
      const TensorInfo* info = file->find(parameter.name);
      REQUIRE(info);
      CHECK(parameter.tensor.sizes() == at::IntArrayRef(parameter.full_shape));
      CHECK(file->load(*info).sizes() == parameter.tensor.sizes());
    }
  }
}

TEST_CASE("the full size is counted on the meta device") {
  Json config = Json::parse(
      R"({"model_type": "vit22b", "hidden_size": 6144, "num_hidden_layers": 48,
          "num_attention_heads": 48, "intermediate_size": 24576, "num_labels": 29593})");
  ModuleOptions meta;
  meta.device = at::kMeta;
  const auto module = make_module(config, meta);
  const int64_t vectors = 48 * (6144 + 2 * 128 + 24576 + 2 * 6144);
  int64_t blocks = count(*module, "", "blocks.");
  CHECK(blocks - vectors == 21'743'271'936);
  CHECK(count(*module, ".weight", "map.attn.") + count(*module, ".weight", "map.mlp.") ==
        452'984'832);
  CHECK(count(*module, "", "head.") == 29593LL * 6144 + 29593);
  CHECK(count(*module, "", "patch_embed.") == 588LL * 6144 + 6144);
  CHECK(count(*module, "", "pos_embed") == 256LL * 6144);
}

TEST_CASE("fused and unfused models agree, also where weights change their layout") {
  const Json config =
      small_config(R"({"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,)"
                   R"( "image_size": 24})");
  ModuleOptions apart;
  apart.extra = Json::Object{{"fuse", false}};
  const auto fused = random_model(config), unfused = random_model(config, apart);
  const at::Tensor pixels = at::rand({2, 3, 24, 24}) * 2 - 1;
  std::map<std::string, at::Tensor> before;
  for (const Parameter& p : fused->parameters()) before[p.name] = p.tensor.clone();
  for (int round = 0; round < 2; ++round) {
    const NamedTensors a = call(*fused, "encode", pixels), b = call(*unfused, "encode", pixels);
    CHECK(relative_error(a[0].second, b[0].second) < 1e-5);
    CHECK(relative_error(a[1].second, b[1].second) < 1e-5);
    for (const Parameter& p : fused->parameters()) CHECK(p.tensor.equal(before.at(p.name)));
  }
  ModuleOptions exact, exact_apart = apart;
  exact.dtype = exact_apart.dtype = at::kDouble;
  const at::Tensor one = call(*random_model(config, exact), "encode", pixels)[0].second;
  const at::Tensor other = call(*random_model(config, exact_apart), "encode", pixels)[0].second;
  CHECK(relative_error(one, other) < 1e-12);
}

TEST_CASE("QK-norm bounds the attention logits, whatever the weights") {
  Json telemetry = Json::Object{{"telemetry", true}};
  const at::Tensor pixels = at::rand({2, 3, 12, 12}) * 2 - 1;
  const auto largest = [&](const char* qk_norm, double scale) {
    const Json config =
        small_config(std::string(R"({"num_hidden_layers": 1, "qk_norm": ")") + qk_norm + "\"}");
    const auto module = random_model(config, {}, scale);
    for (const Parameter& p : module->parameters()) {
      if (p.name.find("_norm.weight") != std::string::npos) p.tensor.fill_(1);
    }
    return get(call(*module, "encode", pixels, {}, telemetry), "max_attention_logit")
        .max()
        .item<double>();
  };
  const double bound = std::sqrt(8.0);  // |q| = |k| = sqrt(e): q k / sqrt(e) <= sqrt(e)
  for (const char* kind : {"rmsnorm", "layernorm_no_bias"}) {
    CHECK(largest(kind, 1) <= bound * 1.0001);
    CHECK(largest(kind, 1000) <= bound * 1.0001);
  }
  CHECK(largest("none", 1000) / largest("none", 1) == doctest::Approx(1e6).epsilon(1e-3));
}

TEST_CASE("bfloat16 and float16 stay close to float32") {
  const Json config = small_config();
  const at::Tensor pixels = at::rand({2, 3, 12, 12}) * 2 - 1;
  const NamedTensors b = call(*random_model(config), "encode", pixels);
  for (const auto& [dtype, least] : {std::pair{at::kBFloat16, 0.999}, {at::kHalf, 0.99999}}) {
    ModuleOptions half;
    half.dtype = dtype;
    const NamedTensors a = call(*random_model(config, half), "encode", pixels);
    for (size_t i = 0; i < 2; ++i) {
      CHECK((a[i].second.scalar_type() == dtype));
      const at::Tensor x = a[i].second.to(at::kFloat).flatten(), y = b[i].second.flatten();
      CHECK(at::cosine_similarity(x, y, 0).item<double>() > least);
    }
  }
}

TEST_CASE("progress is told after each layer and a cancel takes effect before the next") {
  struct Context final : JobContext {
    std::vector<Progress> seen;
    void checkpoint() override {
      if (seen.size() == 2) throw Error(ErrorCode::kCancelled, "cancelled");
    }
    void progress(const Progress& state) override { seen.push_back(state); }
  } context;
  const auto module = random_model(small_config());
  Call request{{{"pixel_values", at::rand({1, 3, 12, 12})}}, Json::Object{}, Taps()};
  try {
    module->call("encode", request, context);
    FAIL("expected the call to be cancelled");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCancelled);
  }
  REQUIRE(context.seen.size() == 2);
  CHECK(context.seen[1].done == 2);
  CHECK(context.seen[1].total == 3);
  CHECK(context.seen[1].phase == "blocks");
}

TEST_CASE("explanations are what each token adds to a logit") {
  const at::Tensor pixels = at::randn({2, 3, 12, 16}, at::kDouble);
  const Json asked = Json::Object{{"labels", Json::Array{2, 0}}};
  for (const char* pooling : {"mean", "map", "token"}) {
    CAPTURE(pooling);
    const std::string changes = std::string("{\"num_labels\": 3, \"class_token\": true, ") +
                                "\"pooling\": \"" + pooling + "\"}";
    ModuleOptions options;
    options.dtype = at::kDouble;
    const auto module = random_model(small_config(changes), options);
    const NamedTensors told = call(*module, "explain", pixels, {}, asked);
    const at::Tensor logits = get(told, "logits"), maps = get(told, "maps");
    CHECK(at::equal(logits, get(call(*module, "classify", pixels), "logits")));
    const int64_t tokens = get(call(*module, "encode", pixels), "last_hidden_state").size(1);
    REQUIRE(maps.sizes() == at::IntArrayRef{2, 2, tokens});
    CHECK_FALSE(maps.requires_grad());
    at::Tensor bias;
    for (const Parameter& parameter : module->parameters()) {
      if (parameter.name == "head.bias") bias = parameter.tensor;
    }
    const at::Tensor whole =
        at::stack({logits.select(1, 2), logits.select(1, 0)}, 1) - at::stack({bias[2], bias[0]});
    if (pooling == std::string("mean")) CHECK(at::allclose(maps.mean(2), whole, 1e-10, 1e-10));
    if (pooling == std::string("token")) {
      CHECK(at::allclose(maps.select(2, 0), whole, 1e-10, 1e-10));
      CHECK(maps.narrow(2, 1, tokens - 1).abs().max().item<double>() == 0);
    }
    if (pooling == std::string("map")) CHECK(maps.abs().min().item<double>() > 0);
  }
  const auto module = random_model(small_config(R"({"num_labels": 3})"));
  for (const Json& labels : {Json(Json::Array{3}), Json(Json::Array{-1}), Json(Json::Array{})}) {
    CHECK_THROWS_AS(call(*module, "explain", pixels, {}, Json::Object{{"labels", labels}}), Error);
  }
}

TEST_CASE("calls that cannot be answered are refused") {
  const auto code = [](const char* changes, const char* method, const at::Tensor& pixels) {
    const auto module = random_model(small_config(changes));
    try {
      call(*module, method, pixels);
    } catch (const Error& error) {
      return std::string(to_string(error.code()));
    }
    return std::string("none");
  };
  const at::Tensor pixels = at::rand({1, 3, 12, 12});
  CHECK(code("{}", "encode", pixels) == "none");
  CHECK(code("{}", "classify", pixels) == "UNSUPPORTED");
  CHECK(code(R"({"num_labels": 2, "pooling": "none"})", "classify", pixels) == "UNSUPPORTED");
  CHECK(code("{}", "encode", at::rand({1, 3, 3, 12})) == "SHAPE");
  CHECK(code("{}", "encode", at::rand({0, 3, 12, 12})) == "SHAPE");
  CHECK(code("{}", "encode", at::rand({1, 4, 12, 12})) == "SHAPE");
  CHECK(code("{}", "encode", at::ones({1, 3, 12, 12}, at::kLong)) == "DTYPE");
}
