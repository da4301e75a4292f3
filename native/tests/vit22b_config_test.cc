// Configs are hostile input: whatever they say, the answer is a model or BAD_CONFIG.
#include <doctest/doctest.h>

#include "models/vit22b/config.h"
#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;

TEST_CASE("defaults are the contract's") {
  const auto c = vit22b::Config::from_json(Json::parse(
      R"({"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 16, "qk_norm": null, "architectures": ["other"]})"));
  CHECK(c.image_height == 224);
  CHECK(c.patch == 14);
  CHECK(c.channels == 3);
  CHECK(c.block == vit22b::BlockKind::kParallel);
  CHECK(c.norm == NormKind::kRms);
  CHECK(c.qk_norm == NormKind::kLayerNorm);
  CHECK_FALSE(c.qk_scale_per_head);
  CHECK_FALSE(c.qkv_bias);
  CHECK(c.attention_out_bias);
  CHECK(c.mlp_bias);
  CHECK(c.norm_eps == 1e-6);
  CHECK(c.pooling == vit22b::Pooling::kMap);
  CHECK(c.labels == 0);
}

TEST_CASE("what no model can be made of is BAD_CONFIG, and the message names the field") {
  const std::vector<std::pair<const char*, const char*>> refused{
      {R"({"hidden_size": 0})", "hidden_size"},
      {R"({"hidden_size": -32})", "hidden_size"},
      {R"({"hidden_size": 32.5})", "hidden_size"},
      {R"({"hidden_size": "32"})", "hidden_size"},
      {R"({"hidden_size": null})", "hidden_size"},
      {R"({"hidden_size": 9223372036854775807})", "hidden_size"},
      {R"({"hidden_size": 1048576, "num_hidden_layers": 16384})", "sizes"},
      {R"({"num_attention_heads": 5})", "num_attention_heads"},
      {R"({"num_attention_heads": 0})", "num_attention_heads"},
      {R"({"num_hidden_layers": 0})", "num_hidden_layers"},
      {R"({"num_hidden_layers": 1000000000})", "num_hidden_layers"},
      {R"({"intermediate_size": true})", "intermediate_size"},
      {R"({"image_size": [12]})", "image_size"},
      {R"({"image_size": [12, 0]})", "image_size[1]"},
      {R"({"image_size": "12"})", "image_size"},
      {R"({"image_size": 3})", "patch_size"},
      {R"({"patch_size": 0})", "patch_size"},
      {R"({"patch_size": 13})", "patch_size"},
      {R"({"num_channels": 0})", "num_channels"},
      {R"({"num_labels": -1})", "num_labels"},
      {R"({"norm": "batchnorm"})", "norm"},
      {R"({"norm": 3})", "norm"},
      {R"({"norm_eps": 0})", "norm_eps"},
      {R"({"norm_eps": -1e-6})", "norm_eps"},
      {R"({"norm_eps": 2})", "norm_eps"},
      {R"({"norm_eps": "small"})", "norm_eps"},
      {R"({"qk_norm": "layernorm"})", "qk_norm"},
      {R"({"qk_norm_scale": "each"})", "qk_norm_scale"},
      {R"({"qkv_bias": 1})", "qkv_bias"},
      {R"({"mlp_bias": "no"})", "mlp_bias"},
      {R"({"hidden_act": "relu"})", "hidden_act"},
      {R"({"block": "Parallel"})", "block"},
      {R"({"pooling": "token"})", "class_token"},
      {R"({"pooling": []})", "pooling"},
      {R"({"position_resize": "nearest"})", "position_resize"},
      {R"({"loss": "hinge"})", "loss"},
  };
  for (const auto& [changes, field] : refused) {
    CAPTURE(std::string(changes));
    try {
      make_module(small_config(changes), {});
      FAIL_CHECK("expected a refusal");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kBadConfig);
      CHECK(std::string(error.what()).find(field) != std::string::npos);
    }
  }
}
