#include <ATen/ATen.h>
#include <torch/version.h>

#include "programs/call_spec.h"
#include "programs/exported_program.h"
#include "programs/extent.h"
#include "programs/library.h"
#include "programs/target.h"
#include "programs/wrapper_source.h"
#include "tests/files.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

using Names = std::vector<std::string>;

std::optional<int64_t> value(const char* text) {
  return Extent::parse(text).value({{"s0", 6}, {"s1", 4}});
}

// Two inputs as PyTorch 2.13 writes their checks, [s0, 8] in float32 and [2*s0] in int64.
constexpr std::string_view kSource = R"(
AOTI_NOINLINE static void check_input_0(
    AtenTensorHandle* input_handles
) {
    int32_t arg4_1_dtype;
    int32_t arg4_1_expected_dtype = aoti_torch_dtype_float32();
    if (arg4_1_expected_dtype != arg4_1_dtype) {
    }
    auto arg4_1_size = arg4_1.sizes();
    if (arg4_1_size[0] < 2) {
    }
    if (arg4_1_size[0] > 64) {
    }
    if (8 != arg4_1_size[1]) {
    }
    if (8 != arg4_1_stride[0]) {
    }
    int32_t arg4_1_expected_device_type = 0;
}
AOTI_NOINLINE static void check_input_1(
    int32_t arg5_1_expected_dtype = aoti_torch_dtype_int64();
    if (arg5_1_size[0] < 4) {
    }
    int32_t arg5_1_expected_device_type = 1;
}
static bool _check_aoti_runtime_check_inputs_env() {
    if (8 != arg4_1_size[5]) {
)";

std::string assertions() {
  std::string text;
  for (const char* asserted :
       {R"(arg4_1, {s0, 8L}, {8L, 1L}, "input")", R"(arg5_1, {2L*s0, }, {1L, }, "input")",
        R"(buf7, {3L}, {1L}, "mm")"}) {
    text += "if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(";
    text += std::string(asserted) + "); }\n";
  }
  return text;
}

constexpr std::string_view kExported = R"json({
  "torch_version": ")json" TORCH_VERSION R"json(",
  "graph_module": {
    "graph": {"tensor_values": {"y": {"dtype": 5, "sizes": [
      {"as_int": 3}, {"as_expr": {"expr_str": "Mul(Integer(2), Symbol('s0', integer=True))"}}]}}},
    "signature": {
      "input_specs": [{"parameter": {}}, {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
                      {"constant_input": {"name": "k"}}],
      "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}},
                       {"user_output": {"arg": {"as_none": true}}}]},
    "treespec_namedtuple_fields": {"Pair": {"field_names": ["a", "b"]}},
    "module_call_graph": [{"fqn": "", "signature": {"forward_arg_names": ["x", "k"]}},
                          {"fqn": "inner", "signature": null}]}})json";

Names shape(const InputCheck& check) {
  Names texts;
  for (const Dimension& dimension : check.dimensions) texts.push_back(dimension.size.text());
  return texts;
}

std::string leaf(int count = 1) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::string(i ? ", " : "") + R"({"type": null, "context": null, "children_spec": []})";
  }
  return text;
}

std::string node(const char* type, const char* context, const std::string& children) {
  return std::string(R"({"type": ")") + type + R"(", "context": ")" + context +
         R"(", "children_spec": [)" + children + "]}";
}

std::string spec(const std::string& root) {
  return "[1, " + root + "]";
}

std::string call(const std::string& positional, const std::string& keywords) {
  return spec(node("builtins.tuple", "null", positional + ", " + keywords));
}

}  // namespace

TEST_CASE("extents: numbers, symbols and what is computed of them, in both languages") {
  CHECK(value("8L") == 8);
  CHECK(value("s0") == 6);
  CHECK(value("2L*s0 + s1") == 16);
  CHECK(value("(-1L)*s1 + s0*(2L + s1)") == 32);
  CHECK(value("s0 - s1 - 1L") == 1);
  CHECK(
      value("c10::div_floor_integer(static_cast<int64_t>((-1L) + s0), static_cast<int64_t>(2L))") ==
      2);
  CHECK(value("std::max(s0, s1)") == 6);
  CHECK(value("Mul(Integer(2), Symbol('s0', positive=True, integer=True))") == 12);
  CHECK(value("Add(Symbol('s1', integer=True), Integer(-7))") == -3);
  CHECK(value("FloorDiv(Integer(-7), Integer(2))") == -4);
  CHECK(Extent::parse("Mul(Integer(2), Symbol('s0', positive=True))").text() == "2*s0");
  CHECK(Extent::parse("2L*(s0 + 1L)").text() == "2*(s0 + 1)");
}

TEST_CASE("extents without a value: unknown, unbound, too large, not understood") {
  for (const char* text : {"", "s9", "s0*", "(s0", "pow(s0, 2)", "1 2", "s0/0",
                           "9223372036854775807", "4611686018427387904*4", "99999999999999999999",
                           "c10::div_floor_integer(s0, 0L)", "Symbol('s0'", "f(", "'", "\xFF"}) {
    CAPTURE(text);
    CHECK(!value(text));
  }
  CHECK(!value((std::string(5000, '(') + "s0" + std::string(5000, ')')).c_str()));
  CHECK(Extent::parse("pow(s0, 2)").text() == "pow(s0, 2)");
}

TEST_CASE("the checks of a model's source, with and without its assertions") {
  const auto bare = read_input_checks(kSource);
  REQUIRE(bare.size() == 2);
  CHECK(shape(bare[0]) == Names{"", "8"});
  CHECK(bare[0].strides.empty());
  const auto checks = read_input_checks(std::string(kSource) + assertions());
  REQUIRE(checks.size() == 2);
  CHECK(checks[0].dtype == "float32");
  CHECK(shape(checks[0]) == Names{"s0", "8"});
  CHECK(checks[0].dimensions[0].least == 1);
  CHECK(checks[0].dimensions[0].most == 64);
  CHECK(!checks[0].dimensions[1].most);
  CHECK(checks[0].on_cpu);
  REQUIRE(checks[0].strides.size() == 2);
  CHECK(checks[0].strides[0].text() == "8");
  CHECK(checks[1].dtype == "int64");
  CHECK(shape(checks[1]) == Names{"2*s0"});
  CHECK(checks[1].dimensions[0].least == 4);
  CHECK(!checks[1].on_cpu);
}

TEST_CASE("sizes and strides that nothing tells, or tells in vain, are found") {
  const auto unchecked = [](const std::string& assertions) {
    Names found;
    const auto checks = read_input_checks(std::string(kSource) + assertions);
    for (const InputCheck& check : checks) found.push_back(unchecked_part(check, checks));
    return found;
  };
  const auto asserted = [](const char* first, const char* second) {
    return "assert_size_stride(arg4_1, " + std::string(first) + ", \"input\");\n" +
           "assert_size_stride(arg5_1, " + second + ", \"input\");\n";
  };
  CHECK(unchecked(assertions()) == Names{"", ""});
  CHECK(unchecked(asserted("{s0, 8L}, {8L, 1L}", "{s0}, {1L}")) == Names{"", ""});
  // Two dynamic dimensions, which may have to agree.
  for (const std::string& text : unchecked("")) CHECK(text.find("no size") != std::string::npos);
  // Multiples of what stands nowhere by itself.
  for (const std::string& text : unchecked(asserted("{2L*s0, 8L}, {8L, 1L}", "{3L*s0}, {1L}"))) {
    CHECK(text.find("s0\")") != std::string::npos);
  }
  CHECK(unchecked(asserted("{s0, 8L}, {8L, 1L}", "{pow(s0, 2)}, {1L}"))[1].find("no size") !=
        std::string::npos);
  CHECK(unchecked(asserted("{s0, 8L}, {f(s0), 1L}", "{s0}, {1L}"))[0].find("stride") !=
        std::string::npos);
  CHECK(unchecked(asserted("{s0, 8L}, {s9, 1L}", "{s0}, {1L}"))[0].find("stride") !=
        std::string::npos);
  CHECK(unchecked(asserted("{s0, 8L}, {}", "{s0}, {1L}"))[0] == "has no strides");
}

TEST_CASE("source without checks has no inputs, or inputs without a dtype") {
  CHECK(read_input_checks("").empty());
  CHECK(
      read_input_checks("static void check_input_99999999(\nstatic void check_input_x(\n").empty());
  const auto second = read_input_checks("static void check_input_1(\n");
  REQUIRE(second.size() == 2);
  CHECK(second[0].dtype.empty());
}

TEST_CASE("names of what a call takes") {
  const std::string nested = node("builtins.dict", R"([\"p\", \"q\"])",
                                  leaf() + ", " + node("builtins.list", "null", leaf(2)));
  const std::string arguments = node("builtins.tuple", "null", leaf() + ", " + nested);
  const std::string keywords = node("builtins.dict", R"([\"mask\"])", leaf());
  CHECK(input_names(call(arguments, keywords), {}, {}) ==
        Names{"input_0", "input_1.p", "input_1.q.0", "input_1.q.1", "mask"});
  CHECK(input_names(call(arguments, keywords), {"x", "ys", "mask"}, {}) ==
        Names{"x", "ys.p", "ys.q.0", "ys.q.1", "mask"});
}

TEST_CASE("names of what a call gives") {
  CHECK(output_names(spec(leaf()), {}) == Names{"output"});
  CHECK(output_names(spec(node("builtins.tuple", "null", leaf(2))), {}) ==
        Names{"output_0", "output_1"});
  CHECK(output_names(spec(node("builtins.dict", R"([\"a\", 3])", leaf(2))), {}) == Names{"a", "3"});
  const std::string pair = node("collections.namedtuple", "Pair", leaf(2));
  CHECK(output_names(spec(pair), {}) == Names{"output_0", "output_1"});
  CHECK(output_names(spec(pair), {{"Pair", {"mean", "scale"}}}) == Names{"mean", "scale"});
  const std::string counted = R"({\"dict_context\": [\"x\"]})";
  CHECK(output_names(spec(node("collections.defaultdict", counted.c_str(), leaf())), {}) ==
        Names{"x"});
}

TEST_CASE("trees that are none are refused") {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("[2, {}]"), std::string("[1, 2]"), spec("{}"),
        spec(leaf()), spec(node("builtins.tuple", "null", leaf(3))),
        call(node("builtins.tuple", "null", ""), node("builtins.dict", "null", leaf()))}) {
    CAPTURE(text);
    CHECK(outcome_of([&] { input_names(text, {}, {}); }) == "BAD_CHECKPOINT/CALL_SPEC");
  }
}

TEST_CASE("an exported program tells names, kinds and results") {
  const auto program = read_exported_program(kExported, "test");
  CHECK(program.torch_version == TORCH_VERSION);
  CHECK(program.positional == Names{"x", "k"});
  CHECK(program.takes_tensor == std::vector<bool>{true, false});
  CHECK(program.tuples.at("Pair") == Names{"a", "b"});
  REQUIRE(program.outputs.size() == 2);
  CHECK((program.outputs[0].dtypes == std::vector<at::ScalarType>{at::kLong}));
  CHECK(program.outputs[0].shape == Names{"3", "2*s0"});
  CHECK(program.outputs[1].optional);
  CHECK(read_exported_program("", "test").outputs.empty());
  std::string other(kExported);
  other.replace(other.find(TORCH_VERSION), std::string_view(TORCH_VERSION).size(), "1.13.1");
  CHECK(outcome_of([&] { read_exported_program(other, "test"); }) == "UNSUPPORTED/OTHER_LIBTORCH");
  for (const char* text : {"{", "{}", "[]", R"({"graph_module": {"graph": {}}})"}) {
    CAPTURE(text);
    CHECK(outcome_of([&] { read_exported_program(text, "test"); }) ==
          "BAD_CHECKPOINT/EXPORTED_PROGRAM");
  }
}

TEST_CASE("code for other machines, processors and devices is refused before it is mapped") {
  const ProgramMetadata here{{"AOTI_DEVICE_KEY", "cpu"}};
  const auto outcome = [&](const char* key, const char* given) {
    ProgramMetadata metadata = here;
    metadata[key] = given;
    return outcome_of([&] { check_target(metadata, "m"); });
  };
  CHECK(outcome_of([&] { check_target(here, "m"); }) == "accepted");
  CHECK(outcome("AOTI_CPU_ISA", "INVALID_VEC_ISA") == "accepted");
  CHECK(outcome("AOTI_PLATFORM", "plan9") == "UNSUPPORTED/OTHER_MACHINE");
  CHECK(outcome("AOTI_MACHINE", "s390x") == "UNSUPPORTED/OTHER_MACHINE");
  CHECK(outcome("AOTI_DEVICE_KEY", "") == "BAD_CHECKPOINT/NO_DEVICE");
  CHECK(outcome("AOTI_DEVICE_KEY", "hpu") == "UNSUPPORTED/NO_DEVICE");
  CHECK(is_our_version(TORCH_VERSION));
  CHECK(!is_our_version("1.13.0"));
}

TEST_CASE("libraries that the system would stumble over are refused") {
  const auto outcome = [](const std::string& bytes, uint64_t size) {
    return outcome_of([&] { check_library(bytes, size, "m.so"); });
  };
  CHECK(outcome("#!/bin/sh", 9) == "BAD_CHECKPOINT/NOT_A_LIBRARY");
  CHECK(outcome("", 0) == "BAD_CHECKPOINT/NOT_A_LIBRARY");
#ifdef __linux__
  const auto path = test::libraries() / "libc10.so";
  const std::string whole = read_file(path).substr(0, kLibraryHeaders);
  const uint64_t size = std::filesystem::file_size(path);
  CHECK(outcome(whole, size) == "accepted");
  CHECK(outcome(whole, size / 2) == "BAD_CHECKPOINT/NOT_A_LIBRARY");
  CHECK(outcome(whole.substr(0, 100), size) == "BAD_CHECKPOINT/NOT_A_LIBRARY");
  CHECK(outcome(whole.substr(0, 30), size) == "BAD_CHECKPOINT/NOT_A_LIBRARY");
  std::string other = whole;
  other[18] = '\xF3';
  CHECK(outcome(other, size) == "UNSUPPORTED/OTHER_MACHINE");
  CHECK(outcome("MZ" + std::string(100, ' '), 102) == "UNSUPPORTED/OTHER_MACHINE");
#endif
}
