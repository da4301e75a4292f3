// Configs of Imagen Video's networks against whatever a file may say.
#include <doctest/doctest.h>

#include "models/imagen_video/config.h"
#include "runtime/error.h"

using namespace torchsight;

namespace {

imagen_video::Config config_of(const std::string& more) {
  return imagen_video::Config::from_json(Json::parse(
      R"({"dim": 64, "dim_mults": [1, 2], "blocks": [1, 1], "self_attention": [0, 1],
          "text_attention": [1, 1])" +
      (more.empty() ? "" : ", " + more) + "}"));
}

}  // namespace

TEST_CASE("imagen_video: what height and width must be multiples of") {
  CHECK(config_of("").stride() == 2);
  CHECK(config_of(R"("kind": "efficient")").stride() == 4);
}

TEST_CASE("imagen_video: what no network can be made of is refused by the name of the field") {
  for (const auto& [more, name] : {std::pair{R"("kind": "flat")", "kind"},
                                   {R"("norm_groups": 48)", "norm_groups"},
                                   {R"("head_dim": 48)", "head_dim"},
                                   {R"("temporal": "causal")", "temporal"},
                                   {R"("frame_buckets": 6)", "frame_buckets"},
                                   {R"("frame_distance": 8)", "frame_distance"},
                                   {R"("low_res_channels": -1)", "low_res_channels"}}) {
    CAPTURE(more);
    CHECK_THROWS_WITH_AS(config_of(more), doctest::Contains(name), Error);
  }
  for (const auto& [lists, name] :
       {std::pair{R"("blocks": [1])", "dim_mults"},
        {R"("dim_mults": [1], "blocks": [1, 2])", "blocks"},
        {R"("dim_mults": [1], "blocks": [1], "self_attention": [2])", "self_attention"}}) {
    CAPTURE(lists);
    const Json config = Json::parse(std::string("{") + lists + "}");
    CHECK_THROWS_WITH_AS(imagen_video::Config::from_json(config), doctest::Contains(name), Error);
  }
}
