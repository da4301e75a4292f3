#include "bench/arguments.h"

#include <charconv>
#include <functional>
#include <map>

#include "runtime/error.h"

namespace torchsight::bench {
namespace {

template <typename Number>
Number number(const std::string& name, const std::string& text, Number least) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least) return value;
  throw Error(ErrorCode::kUsage, "expected a number of at least " + std::to_string(least) +
                                     " for " + name + " but received \"" + text + "\"");
}

std::vector<int64_t> numbers(const std::string& name, const std::string& text) {
  std::vector<int64_t> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(number<int64_t>(name, text.substr(begin, end - begin), 1));
    begin = end + 1;
  }
  return values;
}

}  // namespace

const char* const kUsage =
    "usage: torchsight_vit22b_bench [--device cuda|cuda:1|cpu] [--variant mu|B|L|G|e|22B]\n"
    "  [--depth LAYERS] [--image PIXELS] [--batches 1,8,32,64] [--dtype bfloat16]\n"
    "  [--attention auto|flash|cudnn] [--seconds S] [--float8] [--json]\n";

Arguments Arguments::parse(const std::vector<std::string>& words) {
  Arguments a;
  using Set = std::function<void(const std::string& name, const std::string& value)>;
  const std::map<std::string, Set> known{
      {"--device", [&](auto&, auto& value) { a.device = value; }},
      {"--variant", [&](auto&, auto& value) { a.variant = value; }},
      {"--dtype", [&](auto&, auto& value) { a.dtype = value; }},
      {"--attention", [&](auto&, auto& value) { a.attention = value; }},
      {"--batches", [&](auto& name, auto& value) { a.batches = numbers(name, value); }},
      {"--depth", [&](auto& name, auto& value) { a.depth = number<int64_t>(name, value, 1); }},
      {"--image", [&](auto& name, auto& value) { a.image = number<int64_t>(name, value, 14); }},
      {"--seconds", [&](auto& name, auto& value) { a.seconds = number<double>(name, value, 0); }},
  };
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--float8") {
      a.float8 = true;
    } else if (words[i] == "--json") {
      a.json = true;
    } else if (const auto option = known.find(words[i]); option == known.end()) {
      throw Error(ErrorCode::kUsage, "expected an option but received \"" + words[i] + "\"");
    } else if (++i == words.size()) {
      throw Error(ErrorCode::kUsage, "expected a value for " + option->first);
    } else {
      option->second(option->first, words[i]);
    }
  }
  if (a.attention != "auto" && a.attention != "flash" && a.attention != "cudnn") {
    throw Error(ErrorCode::kUsage, "expected auto, flash or cudnn for --attention but received \"" +
                                       a.attention + "\"");
  }
  return a;
}

}  // namespace torchsight::bench
