#include "programs/wrapper_source.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace torchsight {
namespace {

constexpr size_t kMaxInputs = 4096;
constexpr size_t kMaxDimensions = 64;
constexpr std::string_view kEndOfChecks = "_check_aoti_runtime_check_inputs_env()";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// What lies between two markers, behind `begin`.
std::optional<std::string_view> between(std::string_view text, std::string_view begin,
                                        std::string_view end) {
  const size_t from = text.find(begin);
  if (from == std::string_view::npos) return std::nullopt;
  text.remove_prefix(from + begin.size());
  const size_t to = text.find(end);
  if (to == std::string_view::npos) return std::nullopt;
  return text.substr(0, to);
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// The parts of "s77, 8L, c10::div_floor_integer(s0, 2L), ".
std::vector<Extent> list_of(std::string_view text) {
  std::vector<Extent> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    const std::string_view part = trimmed(text.substr(begin, i - begin));
    if (!part.empty() && parts.size() < kMaxDimensions) parts.push_back(Extent::parse(part));
    begin = i + 1;
  }
  return parts;
}

struct Found {
  std::string name;  // of the variable in the source
  InputCheck check;
};

// The dimension of "if (8 != arg_size[1]) {", grown into the list as needed.
template <typename List>
typename List::value_type* element(List& list, std::string_view line, std::string_view array) {
  const auto index = between(line, array, "]");
  const auto at = index ? number_of(*index) : std::nullopt;
  if (!at || *at < 0 || *at >= static_cast<int64_t>(kMaxDimensions)) return nullptr;
  if (list.size() <= static_cast<size_t>(*at)) list.resize(static_cast<size_t>(*at) + 1);
  return &list[static_cast<size_t>(*at)];
}

// One line of a function `check_input_N`.
void read_check(std::string_view line, Found& input) {
  if (const auto dtype = between(line, "_expected_dtype = aoti_torch_dtype_", "()")) {
    input.name = between(line, "int32_t ", "_expected_dtype").value_or("");
    input.check.dtype = *dtype;
    return;
  }
  if (const auto device = between(line, "_expected_device_type = ", ";")) {
    input.check.on_cpu = *device == "0";
    return;
  }
  if (!line.starts_with("if (") || input.name.empty()) return;
  const std::string size = input.name + "_size[", stride = input.name + "_stride[";
  const auto expected = between(line, "if (", " != ");
  if (expected && line.find(size) != std::string_view::npos) {
    if (auto* dimension = element(input.check.dimensions, line, size)) {
      dimension->size = Extent::parse(*expected);
    }
  } else if (expected && line.find(stride) != std::string_view::npos) {
    if (Extent* told = element(input.check.strides, line, stride)) {
      *told = Extent::parse(*expected);
    }
  } else if (auto* dimension = element(input.check.dimensions, line, size)) {
    // A lower bound of 2 is what PyTorch assumes of every symbol, not what the exporter asked for.
    if (const auto least = between(line, "] < ", ")")) {
      const int64_t told = number_of(*least).value_or(1);
      dimension->least = told <= 2 ? 1 : told;
    } else if (const auto most = between(line, "] > ", ")")) {
      dimension->most = number_of(*most);
    }
  }
}

// "assert_size_stride(arg, {s77, 8L}, {8L, 1L}, …", where sizes and strides stand whole.
void read_assertion(std::string_view line, std::vector<Found>& inputs) {
  const auto name = between(line, "assert_size_stride(", ", {");
  if (!name) return;
  const auto known = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const Found& input) { return input.name == *name; });
  if (known == inputs.end()) return;
  const auto sizes = between(line, ", {", "}"), strides = between(line, "}, {", "}");
  if (!sizes || !strides) return;
  const std::vector<Extent> parts = list_of(*sizes);
  auto& dimensions = known->check.dimensions;
  dimensions.resize(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) dimensions[i].size = parts[i];
  known->check.strides = list_of(*strides);
}

// Strides are of use all together only.
InputCheck completed(Found found) {
  auto& strides = found.check.strides;
  const auto told = [](const Extent& stride) { return !stride.text().empty(); };
  const bool whole = strides.size() == found.check.dimensions.size() &&
                     std::all_of(strides.begin(), strides.end(), told);
  if (!whole) strides.clear();
  return std::move(found.check);
}

}  // namespace

std::vector<InputCheck> read_input_checks(std::string_view source) {
  std::vector<Found> inputs;
  Found* current = nullptr;
  for (size_t begin = 0; begin < source.size();) {
    const size_t end = std::min(source.find('\n', begin), source.size());
    const std::string_view line = trimmed(source.substr(begin, end - begin));
    begin = end + 1;
    if (const auto index = between(line, "static void check_input_", "(")) {
      const int64_t number = number_of(*index).value_or(-1);
      if (number < 0 || number >= static_cast<int64_t>(kMaxInputs)) continue;
      if (inputs.size() <= static_cast<size_t>(number)) inputs.resize(number + 1);
      current = &inputs[static_cast<size_t>(number)];
    } else if (line.find("assert_size_stride(") != std::string_view::npos) {
      read_assertion(line, inputs);
    } else if (line.find(kEndOfChecks) != std::string_view::npos) {
      current = nullptr;
    } else if (current) {
      read_check(line, *current);
    }
  }
  std::vector<InputCheck> checks;
  for (Found& input : inputs) checks.push_back(completed(std::move(input)));
  return checks;
}

std::string unchecked_part(const InputCheck& check, const std::vector<InputCheck>& all) {
  if (check.dtype.empty()) return "has no check";
  std::set<std::string> symbols;
  for (const InputCheck& input : all) {
    for (const Dimension& dimension : input.dimensions) {
      if (dimension.size.is_symbol()) symbols.insert(dimension.size.text());
    }
  }
  for (size_t i = 0; i < check.dimensions.size(); ++i) {
    const Extent& size = check.dimensions[i].size;
    if (!size.is_made_of(symbols)) {
      return "has no size in dimension " + std::to_string(i) + " that can be checked (\"" +
             size.text() + "\")";
    }
  }
  if (check.strides.size() != check.dimensions.size()) return "has no strides";
  for (const Extent& stride : check.strides) {
    if (!stride.is_made_of(symbols)) {
      return "has a stride that cannot be computed (\"" + stride.text() + "\")";
    }
  }
  return "";
}

}  // namespace torchsight
