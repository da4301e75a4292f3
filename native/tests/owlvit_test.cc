// The parts of OWL-ViT against their formulas, and its config against whatever a file may say.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "models/owlvit/config.h"
#include "models/owlvit/heads.h"
#include "models/owlvit/image_query.h"
#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::owlvit;
using namespace torchsight::test;

namespace {

Json tiny(const std::string& vision = "{}", const std::string& changes = "{}") {
  Json config = Json::parse(
      R"({"model_type": "owlv2", "projection_dim": 8,
          "text_config": {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
                          "num_attention_heads": 2, "vocab_size": 20}})");
  Json tower = Json::parse(
      R"({"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 1,
          "num_attention_heads": 3, "image_size": 20, "patch_size": 4})");
  const Json parsed_vision = Json::parse(vision), parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed_vision.as_object()) tower.set(key, value);
  config.set("vision_config", std::move(tower));
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

NamedTensors embed(Module& module, const at::Tensor& pixels, const std::string& options = "{}") {
  return test::call(module, "embed_image", pixels, {}, Json::parse(options));
}

}  // namespace

TEST_CASE("boxes start at the bottom right corner of their cell, one cell large") {
  const at::Tensor bias_P4 = box_bias(2, 4, BoxBias::kBoth, at::kCPU);
  REQUIRE(bias_P4.sizes() == at::IntArrayRef({8, 4}));
  const auto lg = [](double x) { return std::log(x + 1e-4) - std::log1p(-x + 1e-4); };
  CHECK(lg(1) == doctest::Approx(9.2104).epsilon(1e-5));
  const at::Tensor cell_4 = bias_P4[6];  // row 1, column 2
  const std::vector<double> expected{lg(0.75), lg(1), lg(0.25), lg(0.5)};
  // 1 - 1 + 1e-4 has few digits left in float32, as in transformers.
  for (int i = 0; i < 4; ++i) {
    CHECK(cell_4[i].item<double>() == doctest::Approx(expected[i]).epsilon(1e-4));
  }
  const at::Tensor location_P4 = box_bias(2, 4, BoxBias::kLocation, at::kCPU);
  CHECK(location_P4.narrow(1, 0, 2).equal(bias_P4.narrow(1, 0, 2)));
  CHECK(location_P4.narrow(1, 2, 2).eq(0).all().item<bool>());
  const at::Tensor size_P4 = box_bias(2, 4, BoxBias::kSize, at::kCPU);
  CHECK(size_P4.narrow(1, 0, 2).eq(0).all().item<bool>());
  CHECK(size_P4.narrow(1, 2, 2).equal(bias_P4.narrow(1, 2, 2)));
}

TEST_CASE("logits are scaled cosines; padding never wins") {
  const ClassFeatures features{at::randn({2, 5, 8}), at::randn({2, 5}), at::rand({2, 5})};
  const at::Tensor queries_BQE = at::randn({2, 3, 8}) * 7;
  const at::Tensor logits_BPQ = query_logits(features, queries_BQE);
  for (const int64_t b : {0, 1}) {
    const at::Tensor cosine_PQ =
        at::cosine_similarity(features.embeds_BPE[b].unsqueeze(1), queries_BQE[b].unsqueeze(0), -1);
    const at::Tensor expected_PQ =
        (cosine_PQ + features.shift_BP[b].unsqueeze(1)) * features.scale_BP[b].unsqueeze(1);
    CHECK((logits_BPQ[b] - expected_PQ).abs().max().item<double>() < 1e-5);
  }
  const at::Tensor mask_BQ = at::tensor({1, 1, 0, 1, 0, 0}).view({2, 3}).to(at::kBool);
  const at::Tensor masked_BPQ = query_logits(features, queries_BQE, mask_BQ);
  CHECK(std::get<1>(masked_BPQ[1].max(1)).eq(0).all().item<bool>());
  CHECK(masked_BPQ[0].select(1, 2).eq(std::numeric_limits<float>::lowest()).all().item<bool>());
  CHECK(masked_BPQ[0].narrow(1, 0, 2).equal(logits_BPQ[0].narrow(1, 0, 2)));
}

TEST_CASE("an example's patch: among the boxes that fit, the planted one") {
  // Three boxes on the target, one elsewhere.
  const at::Tensor boxes_BP4 = at::tensor({0.25f, 0.25f, 0.5f, 0.5f, 0.25f, 0.25f, 0.48f, 0.5f,
                                           0.25f, 0.25f, 0.5f, 0.46f, 0.8f, 0.8f, 0.2f, 0.2f})
                                   .view({1, 4, 4});
  const at::Tensor target_B4 = at::tensor({0.f, 0.f, 0.5f, 0.5f}).view({1, 4});
  at::Tensor embeds_BPE = at::ones({1, 4, 3});
  embeds_BPE[0][1].mul_(0.5);   // least like the mean, and fits
  embeds_BPE[0][3].mul_(-1.0);  // less still, but elsewhere
  const at::Tensor objectness_BP = at::tensor({-1.f, 0.f, 2.f, 9.f}).view({1, 4});
  const auto pick = [&](const at::Tensor& target, QueryStrategy strategy) {
    return select_query(boxes_BP4, target, embeds_BPE, objectness_BP, strategy).item<int64_t>();
  };
  CHECK(pick(target_B4, QueryStrategy::kDissimilar) == 1);
  CHECK(pick(target_B4, QueryStrategy::kObjectness) == 2);
  // No box touches this one: the nearest is taken by generalised IoU.
  const at::Tensor far_B4 = at::tensor({0.92f, 0.92f, 1.f, 1.f}).view({1, 4});
  CHECK(pick(far_B4, QueryStrategy::kDissimilar) == 3);
}

TEST_CASE("truncated positions are the top left of the table") {
  const auto large = random_model(tiny()), small = random_model(tiny(R"({"image_size": 12})"));
  at::Tensor small_table, large_table;
  const std::string name = "owlv2.vision_model.embeddings.position_embedding.weight";
  for (const Parameter& one : large->parameters()) {
    if (one.name == name) large_table = one.tensor;
  }
  for (const Parameter& one : small->parameters()) {
    if (one.name == name) small_table = one.tensor;
  }
  const at::Tensor kept_hwd =
      large_table.narrow(0, 1, 25).view({5, 5, 12}).narrow(0, 0, 3).narrow(1, 0, 3);
  small_table.copy_(at::cat({large_table.narrow(0, 0, 1), kept_hwd.reshape({9, 12})}));
  const at::Tensor pixels = at::randn({2, 3, 12, 12});
  const NamedTensors truncated = embed(*large, pixels, R"({"truncate_pos_encoding": true})");
  const NamedTensors expected = embed(*small, pixels);
  for (const auto& [output, value] : expected) CHECK(get(truncated, output).equal(value));
}

TEST_CASE("sizes without positions are refused") {
  const auto model = random_model(tiny());
  const auto with = [&](at::IntArrayRef size, const char* options) {
    return [&model, size = size.vec(), options] {
      embed(*model, at::randn({1, 3, size[0], size[1]}), options);
    };
  };
  check_refused(with({24, 20}, "{}"), ErrorCode::kShape, "5 by 5");
  check_refused(with({24, 20}, R"({"truncate_pos_encoding": true})"), ErrorCode::kShape, "at most");
  check_refused(with({3, 20}, "{}"), ErrorCode::kShape, "4 by 4");
  check_refused(
      with({20, 20}, R"({"truncate_pos_encoding": true, "interpolate_pos_encoding": true})"),
      ErrorCode::kBadInput, "both");
  // Pixels beyond the last whole patch are not seen.
  const at::Tensor pixels = at::randn({1, 3, 23, 21});
  CHECK(get(embed(*model, pixels), "pred_boxes")
            .equal(get(embed(*model, pixels.narrow(2, 0, 20).narrow(3, 0, 20)), "pred_boxes")));
}

TEST_CASE("token ids beyond the vocabulary or the positions are refused") {
  const auto model = random_model(tiny());
  const auto with = [&](const at::Tensor& ids) {
    return [&model, ids] {
      Call call{{{"input_ids", ids}}, Json(Json::Object{}), {}};
      JobContext context;
      model->call("embed_text", call, context);
    };
  };
  check_refused(with(at::full({1, 4}, 20, at::kLong)), ErrorCode::kBadInput, "0 to 19");
  check_refused(with(at::full({1, 4}, -1, at::kLong)), ErrorCode::kBadInput, "0 to 19");
  check_refused(with(at::ones({1, 17}, at::kLong)), ErrorCode::kShape, "16 tokens");
  check_refused(with(at::ones({0, 4}, at::kLong)), ErrorCode::kShape, "at least one");
}

TEST_CASE("own switches change what they say") {
  const at::Tensor pixels = at::randn({1, 3, 20, 20});
  const auto boxes = [&](const std::string& changes) {
    return get(embed(*random_model(tiny("{}", changes)), pixels), "pred_boxes");
  };
  const at::Tensor base = boxes("{}");
  for (const char* changes : {R"({"head_gelu": "tanh"})", R"({"merged_norm_eps": 0.1})",
                              R"({"box_bias": "size"})", R"({"merge_class_token": "drop"})"}) {
    CAPTURE(std::string(changes));
    CHECK_FALSE(boxes(changes).equal(base));
  }
  const auto dropped = random_model(tiny("{}", R"({"merge_class_token": "drop"})"));
  for (const Parameter& one : dropped->parameters()) CHECK(one.name != "layer_norm.weight");
}

TEST_CASE("what no model can be made of is BAD_CONFIG, and the message names the field") {
  const std::vector<std::pair<const char*, const char*>> vision{
      {R"({"hidden_size": 0})", "vision_config.hidden_size"},
      {R"({"hidden_size": 13})", "vision_config.num_attention_heads"},
      {R"({"num_hidden_layers": 1e3})", "vision_config.num_hidden_layers"},
      {R"({"patch_size": 21})", "vision_config.patch_size"},
      {R"({"image_size": [20, 20]})", "vision_config.image_size"},
      {R"({"layer_norm_eps": -1})", "vision_config.layer_norm_eps"},
      {R"({"hidden_act": "swish"})", "vision_config.hidden_act"},
      {R"({"hidden_size": 196608, "num_hidden_layers": 4096})", "sizes"},
  };
  for (const auto& [changes, field] : vision) {
    CAPTURE(std::string(changes));
    check_refused([&] { make_module(tiny(changes), {}); }, ErrorCode::kBadConfig, field);
  }
  const std::vector<std::pair<const char*, const char*>> whole{
      {R"({"projection_dim": 9})", "projection_dim"},
      {R"({"vision_config": []})", "vision_config"},
      {R"({"head_gelu": "relu"})", "head_gelu"},
      {R"({"box_bias": "none"})", "box_bias"},
      {R"({"text_config": {"vocab_size": 0}})", "text_config.vocab_size"},
  };
  for (const auto& [changes, field] : whole) {
    CAPTURE(std::string(changes));
    check_refused([&] { make_module(tiny("{}", changes), {}); }, ErrorCode::kBadConfig, field);
  }
}

TEST_CASE("groups of ranks are refused") {
  ModuleOptions options;
  options.group = make_local_groups(1).front();
  check_refused([&] { make_module(tiny(), options); }, ErrorCode::kUnsupported, "one process");
}
