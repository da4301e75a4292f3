#include "io/json.h"

#include <doctest/doctest.h>

#include <limits>

#include "runtime/error.h"

using torchsight::Error;
using torchsight::ErrorCode;
using torchsight::Json;

namespace {

std::string reason_of(const std::string& text) {
  try {
    Json::parse(text, "test");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kBadInput);
    return error.reason();
  }
  return "";
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("JSON keeps kinds, order and every escape") {
  const std::string text =
      R"({"b":[1,-2,3.5,1.0,1e300,true,false,null,"é\"\\\u0001"],"a":{"":[]},"c":{}})";
  const Json json = Json::parse(text);
  CHECK(json.at("b").as_array()[0].is_int());
  CHECK_FALSE(json.at("b").as_array()[3].is_int());
  CHECK(json.as_object()[0].first == "b");
  CHECK(Json::parse(json.dump()).dump() == json.dump());
  CHECK(json.dump() ==
        R"({"b":[1,-2,3.5,1.0,1e+300,true,false,null,"é\"\\\u0001"],"a":{"":[]},"c":{}})");
}

TEST_CASE("integers beyond int64 become doubles") {
  CHECK(Json::parse("9223372036854775807").as_int() == std::numeric_limits<int64_t>::max());
  CHECK(Json::parse("9223372036854775808").as_double() == 9223372036854775808.0);
}

TEST_CASE("doubles without a JSON form are written as null") {
  CHECK(Json(std::numeric_limits<double>::infinity()).dump() == "null");
  CHECK(Json(std::numeric_limits<double>::quiet_NaN()).dump() == "null");
}

TEST_CASE("duplicate keys are refused at every level") {
  CHECK(reason_of(R"({"a":1,"a":2})") == "DUPLICATE_KEY");
  CHECK(reason_of(R"({"x":[{"y":{"a":1,"b":2,"a":2}}]})") == "DUPLICATE_KEY");
  CHECK(reason_of(R"({"a":1,"\u0061":2})") == "DUPLICATE_KEY");
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  CHECK(reason_of(many + "\"last\":0}").empty());
  CHECK(reason_of(many + "\"k500\":0}") == "DUPLICATE_KEY");
}

TEST_CASE("malformed text and deep nesting are refused") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,]",
                           "{\"a\"}",
                           "{'a':1}",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "NaN",
                           "Infinity",
                           "\"\x01\"",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"\xff\"",
                           "{} {}",
                           "nul",
                           "\xEF\xBB\xBF{}",
                           "1e999",
                           "//c\n1",
                           "\"a",
                           "[1 2]"}) {
    CAPTURE(text);
    CHECK(reason_of(text) == "MALFORMED");
  }
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(reason_of(nested(64)).empty());
  CHECK(reason_of(nested(65)) == "TOO_DEEP");
  CHECK(reason_of(nested(500000)) == "TOO_DEEP");
}

TEST_CASE("typed access names what was expected and received") {
  const Json json = Json::parse(R"({"n":3,"s":"text","x":null})");
  CHECK(json.get("n", 1) == 3);
  CHECK(json.get("n", 0.5) == 3.0);
  CHECK(json.get("x", "fallback") == "fallback");
  CHECK(json.get("absent", true));
  CHECK(message_of([&] { json.get("s", 1); }) ==
        "expected an integer for s but received \"text\" of type string");
  CHECK(message_of([&] { json.at("none"); }).find("\"none\"") != std::string::npos);
  CHECK(message_of([&] { json.at("n").as_array("n"); }) ==
        "expected an array for n but received 3 of type number");
}

TEST_CASE("members are set and replaced in place") {
  Json json;
  json.set("a", 1).set("b", "two").set("a", 3);
  CHECK(json.dump() == R"({"a":3,"b":"two"})");
  CHECK_THROWS_AS(Json(5).set("a", 1), Error);
  Json list;
  list.push_back(1);
  list.push_back(Json::Array{2, 3});
  CHECK(list.dump() == "[1,[2,3]]");
}
