// SigLIP's towers against SciPy's numbers, and their configs against whatever a file may say.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "models/siglip/config.h"
#include "nn/siglip_vision.h"
#include "runtime/error.h"
#include "tests/model_support.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::test;
namespace fs = std::filesystem;

namespace {

Json read_json(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str(), path.string());
}

at::Tensor numbers(const Json& list, at::IntArrayRef shape) {
  std::vector<double> values;
  for (const Json& value : list.as_array()) values.push_back(value.as_double());
  return at::tensor(values, at::kDouble).to(at::kFloat).view(shape);
}

bool refused(const std::string& config, const std::string& field) {
  try {
    siglip::Config::from_json(Json::parse(config));
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::kBadConfig &&
           std::string(error.what()).find(field) != std::string::npos;
  }
}

}  // namespace

TEST_CASE("positions are resized between their corners as scipy.ndimage.zoom does") {
  const Json given = read_json(test::fixtures() / "siglip_positions" / "positions.json");
  const int64_t grid = given.get("grid", 0), width = given.get("width", 0);
  const int64_t rows = given.get("rows", 0), columns = given.get("columns", 0);
  const at::Tensor table_Nd = numbers(given.at("table"), {grid * grid, width});
  const at::Tensor expected_Nd = numbers(given.at("resized"), {rows * columns, width});
  const at::Tensor linear_Nd = resize_positions(table_Nd, rows, columns, PositionResize::kLinear);
  CHECK((linear_Nd - expected_Nd).abs().max().item<double>() < 1e-5);
  const at::Tensor cubic_Nd = resize_positions(table_Nd, rows, columns, PositionResize::kBicubic);
  CHECK_FALSE(at::allclose(cubic_Nd, expected_Nd, 1e-3, 1e-3));
}

TEST_CASE("a tower takes pictures of other sizes only where it is told how") {
  const Json json = Json::parse(
      R"({"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 1,
          "num_attention_heads": 3, "image_size": 12, "patch_size": 4})");
  const SiglipVisionConfig config = SiglipVisionConfig::from_json(ConfigReader(json));
  SiglipVisionTower tower(config, {});
  std::vector<Parameter> parameters;
  tower.add_parameters(parameters, "");
  for (const Parameter& one : parameters) one.tensor.copy_(at::randn(one.full_shape) * 0.3);
  JobContext context;
  Taps none;
  Trace trace{none, context, 1};
  const at::Tensor large = at::randn({2, 3, 16, 20});
  CHECK(tower.forward(large, PositionResize::kLinear, trace).sizes() ==
        at::IntArrayRef({2, 20, 12}));
  CHECK_THROWS_AS(tower.forward(large, PositionResize::kNone, trace), Error);
  CHECK(tower.pool(tower.forward(large, PositionResize::kBicubic, trace)).sizes() ==
        at::IntArrayRef({2, 12}));
}

TEST_CASE("what no model can be made of is BAD_CONFIG, and the message names the field") {
  CHECK(refused(R"({"model_type": "siglip3"})", "model_type"));
  CHECK(refused(R"({"model_type": "siglip", "vision_config": []})", "vision_config"));
  CHECK(refused(R"({"model_type": "siglip", "text_config": {"projection_size": 9}})",
                "projection_size"));
  CHECK(refused(R"({"model_type": "siglip_vision_model", "patch_size": 300})", "patch_size"));
  CHECK(refused(R"({"model_type": "siglip2_vision_model", "num_patches": 8})", "num_patches"));
  CHECK(refused(R"({"model_type": "siglip_text_model", "vocab_size": -1})", "vocab_size"));
  CHECK(refused(R"({"model_type": "siglip_text_model", "hidden_size": 262144,
                    "num_attention_heads": 1, "num_hidden_layers": 4096})",
                "sizes"));
}
