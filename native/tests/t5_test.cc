// Relative positions of T5 against transformers' (scripts/oracles/t5.py).
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "models/t5/config.h"
#include "nn/relative_bias.h"
#include "runtime/error.h"
#include "tests/paths.h"

using namespace torchsight;

TEST_CASE("t5: buckets of offsets are transformers'") {
  std::ifstream file(test::fixtures() / "t5_buckets" / "buckets.json");
  std::stringstream text;
  text << file.rdbuf();
  const Json kinds = Json::parse(text.str());
  CHECK(kinds.as_array().size() == 6);
  for (const Json& kind : kinds.as_array()) {
    const int64_t buckets = kind.get("buckets", 0), most = kind.get("max_distance", 0);
    CAPTURE(buckets);
    CAPTURE(most);
    const Json::Array& expected = kind.at("of_offsets").as_array();
    CHECK(expected.size() == 601);
    for (size_t i = 0; i < expected.size(); ++i) {
      const int64_t offset = static_cast<int64_t>(i) - 300;
      CHECK(relative_bucket(offset, buckets, most) == expected[i].as_int());
    }
  }
}

TEST_CASE("t5: the bias of two tokens is that of their offset") {
  const int64_t tokens = 37, buckets = 8, most = 20;
  const at::Tensor table_KH = at::randn({buckets, 3});
  const at::Tensor bias_1HNN = relative_bias(table_KH, tokens, most);
  CHECK(bias_1HNN.sizes() == at::IntArrayRef({1, 3, tokens, tokens}));
  for (int64_t i = 0; i < tokens; ++i) {
    for (int64_t j = 0; j < tokens; ++j) {
      const at::Tensor row_H = table_KH[relative_bucket(j - i, buckets, most)];
      CHECK(at::equal(bias_1HNN[0].select(1, i).select(1, j), row_H));
    }
  }
}

TEST_CASE("t5: what no model can be made of is BAD_CONFIG, and the message names the field") {
  for (const auto& [fields, name] :
       {std::pair{R"("d_model": 0)", "d_model"},
        {R"("d_ff": 1e9)", "d_ff"},
        {R"("num_heads": 200000)", "num_heads"},
        {R"("relative_attention_num_buckets": 6)", "relative_attention_num_buckets"},
        {R"("relative_attention_max_distance": 8)", "relative_attention_max_distance"},
        {R"("feed_forward_proj": "gated-silu")", "feed_forward_proj"},
        {R"("d_model": 262144, "d_ff": 1048576, "num_layers": 4096)", "sizes"}}) {
    CAPTURE(fields);
    const Json config = Json::parse(std::string(R"({"model_type": "t5", )") + fields + "}");
    CHECK_THROWS_WITH_AS(t5::Config::from_json(config), doctest::Contains(name), Error);
  }
}
