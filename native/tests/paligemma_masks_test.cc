// The mask codec: batches, odd paddings, and its config against whatever a file may say.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "models/paligemma/mask_config.h"
#include "models/paligemma/mask_layers.h"
#include "runtime/error.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::paligemma;
using namespace torchsight::test;

namespace {

Json tiny(const std::string& changes = "{}") {
  Json config = Json::parse(
      R"({"model_type": "paligemma_masks", "embedding_dim": 4, "hidden_size": 6,
          "decoder_channels": [6, 5, 4, 3], "encoder_channels": [3, 4, 5, 6]})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

at::Tensor run(Module& module, const std::string& method, const std::string& input,
               const at::Tensor& value, const std::string& output) {
  Call call{{{input, value}}, Json(Json::Object{}), {}};
  JobContext context;
  return get(module.call(method, call, context), output);
}

at::Tensor decode(Module& module, const at::Tensor& ids) {
  return run(module, "decode_masks", "mask_ids", ids, "masks");
}

at::Tensor encode(Module& module, const at::Tensor& masks) {
  return run(module, "encode_masks", "masks", masks, "mask_ids");
}

}  // namespace

TEST_CASE("a convolution pads as TensorFlow does, the odd pixel at the right and bottom") {
  Convolution layer(1, 1, 3, 2, {});
  std::vector<Parameter> parameters;
  layer.add_parameters(parameters, "layer");
  at::Tensor weight_11kk = parameters[0].tensor;
  weight_11kk.zero_();
  parameters[1].tensor.fill_(0.5);
  // The kernel's last place alone: of an even input it reads row and column 2 i + 2.
  weight_11kk[0][0][2][2] = 1;
  const at::Tensor even_11hw = at::arange(16, at::kFloat).view({1, 1, 4, 4});
  CHECK(layer(even_11hw).flatten().equal(at::tensor({10.5f, 0.5f, 0.5f, 0.5f})));
  // Of an odd one, row and column 2 i + 1.
  const at::Tensor odd_11hw = at::arange(9, at::kFloat).view({1, 1, 3, 3});
  CHECK(layer(odd_11hw).flatten().equal(at::tensor({4.5f, 0.5f, 0.5f, 0.5f})));
}

TEST_CASE("masks do not depend on their batch") {
  const auto codec = random_model(tiny());
  const at::Tensor ids_N16 = at::randint(0, 128, {70, 16}, at::kLong);
  const at::Tensor masks_Nhw = decode(*codec, ids_N16);
  CHECK(masks_Nhw.sizes() == at::IntArrayRef({70, 64, 64}));
  const at::Tensor shares_Nhw = masks_Nhw.gt(0).to(at::kFloat);
  const at::Tensor again_N16 = encode(*codec, shares_Nhw);
  for (const int64_t n : {0, 31, 32, 69}) {
    CHECK(relative_error(decode(*codec, ids_N16.narrow(0, n, 1)), masks_Nhw.narrow(0, n, 1)) <
          1e-5);
    CHECK(encode(*codec, shares_Nhw.narrow(0, n, 1)).equal(again_N16.narrow(0, n, 1)));
  }
  CHECK(decode(*codec, ids_N16.narrow(0, 0, 0)).sizes() == at::IntArrayRef({0, 64, 64}));
  CHECK(encode(*codec, masks_Nhw.narrow(0, 0, 0)).sizes() == at::IntArrayRef({0, 16}));
}

TEST_CASE("the code of a codebook's own row is that row") {
  const auto codec = random_model(tiny(R"({"encoder_last_kernel": 1})"));
  at::Tensor codebook_KE, last_weight, last_bias;
  for (const Parameter& one : codec->parameters()) {
    if (one.name == "_vq_vae._embedding") codebook_KE = one.tensor;
    if (one.name == "encoder.10.weight") last_weight = one.tensor;
    if (one.name == "encoder.10.bias") last_bias = one.tensor;
  }
  last_weight.zero_();
  for (const int64_t code : {0, 77, 127}) {
    last_bias.copy_(codebook_KE[code]);
    CHECK(encode(*codec, at::rand({1, 64, 64})).eq(code).all().item<bool>());
  }
}

TEST_CASE("codes and masks out of range are refused") {
  const auto codec = random_model(tiny());
  const auto ids = [&](int64_t id) {
    return [&codec, id] { decode(*codec, at::full({1, 16}, id, at::kLong)); };
  };
  check_refused(ids(128), ErrorCode::kBadInput, "0 to 127");
  check_refused(ids(-1), ErrorCode::kBadInput, "-1 to -1");
  const auto masks = [&](double value) {
    return [&codec, value] { encode(*codec, at::full({1, 64, 64}, value)); };
  };
  check_refused(masks(1.01), ErrorCode::kBadInput, "from 0 to 1");
  check_refused(masks(std::nan("")), ErrorCode::kBadInput, "from 0 to 1");
  check_refused([&] { encode(*codec, at::zeros({1, 32, 64})); }, ErrorCode::kShape, "masks");
}

TEST_CASE("what no codec can be made of is BAD_CONFIG, and the message names the field") {
  const std::vector<std::pair<const char*, const char*>> wrong{
      {R"({"codes": 0})", "codes"},
      {R"({"embedding_dim": 1e9})", "embedding_dim"},
      {R"({"decoder_channels": [1, 2, 3]})", "decoder_channels"},
      {R"({"decoder_channels": 128})", "decoder_channels"},
      {R"({"encoder_channels": [1, 2, 3, 0]})", "encoder_channels[3]"},
      {R"({"encoder_kernels": [4, 4, 4, 99]})", "encoder_kernels[3]"},
      {R"({"decoder_only": 1})", "decoder_only"},
      {R"({"codes": 65536, "embedding_dim": 4096, "hidden_size": 4096,
           "encoder_channels": [4096, 4096, 4096, 4096]})",
       "sizes"},
  };
  for (const auto& [changes, field] : wrong) {
    CAPTURE(std::string(changes));
    check_refused([&] { make_module(tiny(changes), {}); }, ErrorCode::kBadConfig, field);
  }
}

TEST_CASE("groups of ranks are refused") {
  ModuleOptions options;
  options.group = make_local_groups(1).front();
  check_refused([&] { make_module(tiny(), options); }, ErrorCode::kUnsupported, "one process");
}
