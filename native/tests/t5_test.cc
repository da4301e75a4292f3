// Relative positions of T5 against transformers' (scripts/oracles/t5.py).
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "io/json.h"
#include "nn/relative_bias.h"
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
