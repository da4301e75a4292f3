#include "runtime/schema.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <doctest/doctest.h>
#include <torch/csrc/distributed/c10d/exception.h>

#include "models/registry.h"
#include "runtime/error.h"
#include "runtime/module.h"

using namespace torchsight;

namespace {

MethodSchema encode_schema() {
  MethodSchema schema;
  schema.name = "encode";
  schema.inputs = {{"images", {at::kFloat, at::kHalf}, {"B", "3", "H", "W"}, false, 0},
                   {"ids", {at::kLong}, {"B", "T"}, true, 0},
                   {"extra", {}, {"...", "H"}, true}};
  schema.options = {{"layer", "int", Json(), "", true},
                    {"mode", "string", Json(), "", false},
                    {"scale", "float", Json(1.0), "", false},
                    {"sizes", "int[]", Json(), "", true},
                    {"flag", "bool", Json(), "", true}};
  return schema;
}

ErrorCode code_of(const std::function<void()>& work, std::string* message = nullptr) {
  try {
    work();
  } catch (...) {
    const Error error = current_error();
    if (message) *message = error.what();
    return error.code();
  }
  return ErrorCode::kUsage;
}

class Doubler : public Module {
 public:
  Doubler() {
    MethodSchema schema;
    schema.name = "double";
    schema.inputs = {{"x", {at::kFloat}, {"..."}}};
    add_method(schema, [](Call& call, JobContext&) -> NamedTensors {
      CHECK_FALSE(c10::GradMode::is_enabled());
      const at::Tensor y = call.input("x") * 2;
      call.taps.record("hidden", y);
      call.taps.record("other", y);
      return {{"y", y}};
    });
  }
  std::vector<std::string> tap_names() const override { return {"hidden", "other"}; }
};

}  // namespace

TEST_CASE("inputs are checked by name, dtype and symbolic shape") {
  const MethodSchema schema = encode_schema();
  Json options;
  options.set("mode", "a");
  const auto check = [&](NamedTensors inputs, std::string* message = nullptr) {
    return code_of([&] { schema.check(inputs, options); }, message);
  };
  const at::Tensor images = at::zeros({2, 3, 8, 9});
  CHECK(check({{"images", images}}) == ErrorCode::kUsage);
  CHECK(check({}) == ErrorCode::kBadInput);
  CHECK(check({{"images", images}, {"other", images}}) == ErrorCode::kBadInput);
  CHECK(check({{"images", images}, {"images", images}}) == ErrorCode::kBadInput);
  CHECK(check({{"images", at::zeros({2, 4, 8, 9})}}) == ErrorCode::kShape);
  CHECK(check({{"images", at::zeros({3, 8, 9})}}) == ErrorCode::kShape);
  CHECK(check({{"images", images.to(at::kInt)}}) == ErrorCode::kDtype);
  CHECK(check({{"images", images}, {"extra", at::zeros({5, 5, 8})}}) == ErrorCode::kUsage);
  CHECK(check({{"images", images}, {"extra", at::zeros({})}}) == ErrorCode::kShape);
  std::string message;
  CHECK(check({{"images", images}, {"ids", at::zeros({3, 4}, at::kLong)}}, &message) ==
        ErrorCode::kShape);
  CHECK(message ==
        "expected shape [B, T] for ids but received [3, 4] of type int64, where B is 2 by images");
}

TEST_CASE("int32 is widened where int64 is asked for") {
  NamedTensors inputs{{"images", at::zeros({2, 3, 8, 9})}, {"ids", at::ones({2, 4}, at::kInt)}};
  Json options;
  encode_schema().check(inputs, options.set("mode", "a"));
  CHECK((inputs[1].second.scalar_type() == at::kLong));
  CHECK(inputs[1].second.sum().item<int64_t>() == 8);
}

TEST_CASE("options are checked by name and type") {
  const MethodSchema schema = encode_schema();
  const auto check = [&](const char* text) {
    NamedTensors inputs{{"images", at::zeros({2, 3, 8, 9})}};
    return code_of([&] { schema.check(inputs, Json::parse(text)); });
  };
  CHECK(check(R"({"mode":"a","layer":3,"scale":2,"sizes":[1,2],"flag":true})") ==
        ErrorCode::kUsage);
  CHECK(check(R"({"mode":"a","layer":null})") == ErrorCode::kUsage);
  for (const char* text : {"{}", R"({"mode":null})", R"({"mode":1})", R"({"mode":"a","layer":"3"})",
                           R"({"mode":"a","layer":1.5})", R"({"mode":"a","scale":"2"})",
                           R"({"mode":"a","sizes":3})", R"({"mode":"a","sizes":[1.5]})",
                           R"({"mode":"a","flag":1})", R"({"mode":"a","new":1})", "[]"}) {
    CAPTURE(text);
    CHECK(check(text) == ErrorCode::kBadInput);
  }
}

TEST_CASE("a schema tells itself as JSON") {
  const Json json = encode_schema().to_json();
  CHECK(json.at("inputs").as_array()[0].dump() ==
        R"({"name":"images","dtypes":["float32","float16"],"shape":["B","3","H","W"],)"
        R"("optional":false,"batchAxis":0})");
  CHECK(json.at("options").as_array().size() == 5);
}

TEST_CASE("a module runs its methods without gradients and records taps") {
  Doubler module;
  JobContext context;
  Call call{{{"x", at::ones({2}).requires_grad_()}}, Json(), Taps({"hidden"})};
  const NamedTensors outputs = module.call("double", call, context);
  CHECK(outputs[0].second.equal(at::full({2}, 2.0)));
  const NamedTensors taps = call.taps.take();
  REQUIRE(taps.size() == 1);
  CHECK(taps[0].first == "hidden");
  CHECK(taps[0].second.data_ptr() != outputs[0].second.data_ptr());

  Call all{{{"x", at::ones({2})}}, Json(), Taps({"all"})};
  module.call("double", all, context);
  CHECK(all.taps.take().size() == 2);

  std::string message;
  Call unknown{{{"x", at::ones({2})}}, Json(), Taps({"none"})};
  CHECK(code_of([&] { module.call("double", unknown, context); }, &message) ==
        ErrorCode::kBadInput);
  CHECK(message == "expected one of the taps hidden, other but received \"none\"");
  CHECK(code_of([&] { module.call("halve", unknown, context); }) == ErrorCode::kNotFound);
  CHECK(code_of([&] { module.open_session("s", Json()); }) == ErrorCode::kNotFound);
}

TEST_CASE("model types are looked up in the table") {
  CHECK(code_of([] { make_module(Json::parse("{}"), {}); }) == ErrorCode::kBadConfig);
  CHECK(code_of([] { make_module(Json::parse(R"({"model_type":5})"), {}); }) ==
        ErrorCode::kBadConfig);
  CHECK(code_of([] { make_module(Json::parse(R"({"model_type":"no such"})"), {}); }) ==
        ErrorCode::kUnsupported);
  CHECK(model_types().size() == model_table().size());
}

TEST_CASE("exceptions become errors with codes and short messages") {
  std::string message;
  CHECK(code_of([] { at::zeros({2, 3}).mm(at::zeros({2, 3})); }, &message) == ErrorCode::kLibtorch);
  CHECK(message.find("Exception raised from") == std::string::npos);
  CHECK(message.find("cannot be multiplied") != std::string::npos);
  CHECK(code_of([] { at::zeros({2}).select(0, 5); }) == ErrorCode::kBadInput);
  CHECK(code_of([] { at::empty({int64_t{1} << 46}).fill_(0); }) == ErrorCode::kOutOfMemory);
  CHECK(code_of([] { at::linalg_inv(at::zeros({2, 2})); }) == ErrorCode::kBadInput);
  CHECK(code_of([] { throw std::bad_alloc(); }) == ErrorCode::kOutOfMemory);
  CHECK(code_of([] { throw 5; }) == ErrorCode::kInternal);
  CHECK(code_of([] { throw std::runtime_error("odd"); }) == ErrorCode::kInternal);
  CHECK(code_of([] { TORCH_CHECK_TYPE(false, "t"); }) == ErrorCode::kDtype);
  CHECK(code_of([] { TORCH_CHECK_VALUE(false, "v"); }) == ErrorCode::kBadInput);
  CHECK(code_of([] { TORCH_CHECK_NOT_IMPLEMENTED(false, "n"); }) == ErrorCode::kUnsupported);
  CHECK(code_of([] { C10_THROW_ERROR(OutOfMemoryError, "m"); }) == ErrorCode::kOutOfMemory);
  CHECK(code_of([] { C10_THROW_ERROR(DistBackendError, "lost"); }) == ErrorCode::kRankFailed);
  CHECK(code_of([] { C10_THROW_ERROR(DistBackendError, "timed out"); }) ==
        ErrorCode::kCollectiveTimeout);
  CHECK(code_of([] { C10_THROW_ERROR(DistStoreError, "s"); }) == ErrorCode::kRendezvous);
  CHECK(code_of([] { C10_THROW_ERROR(DistNetworkError, "s"); }) == ErrorCode::kRendezvous);
  CHECK(code_of([] { C10D_THROW_ERROR(TimeoutError, "s"); }) == ErrorCode::kRendezvous);
  CHECK(code_of([] {
          throw std::runtime_error("[gloo/transport/tcp/pair.cc:5] Connection closed by peer");
        }) == ErrorCode::kRankFailed);
  CHECK(code_of([] {
          throw std::runtime_error("[gloo/transport/x.cc:5] Timed out waiting 3000ms");
        }) == ErrorCode::kCollectiveTimeout);
}

TEST_CASE("every code has a name of its own and comes back by it") {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    CHECK(error_code_from_string(to_string(code)) == code);
  }
  CHECK(error_code_from_string("no such code") == ErrorCode::kInternal);
}

TEST_CASE("dtypes have names both ways") {
  for (const char* name : {"float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16",
                           "int32", "int64", "bool", "complex64"}) {
    CHECK(dtype_name(dtype_from_name(name)) == name);
  }
  CHECK(code_of([] { dtype_from_name("float8"); }) == ErrorCode::kDtype);
  CHECK(code_of([] { dtype_name(at::kComplexDouble); }) == ErrorCode::kDtype);
}
