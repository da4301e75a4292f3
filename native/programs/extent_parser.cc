#include "programs/extent_parser.h"

#include <charconv>

namespace torchsight {
namespace {

constexpr int kMaxDepth = 32;
struct NotUnderstood {};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

}  // namespace

Extent ExtentParser::parse() {
  try {
    Extent whole = sum();
    skip_spaces();
    if (at_ == text_.size()) return whole;
  } catch (const NotUnderstood&) {
    // Told by the kind of what is given back.
  }
  Extent unknown;
  unknown.text_ = std::string(text_);
  return unknown;
}

void ExtentParser::give_up() const {
  throw NotUnderstood();
}

void ExtentParser::skip_spaces() {
  while (at_ < text_.size() && text_[at_] == ' ') ++at_;
}

bool ExtentParser::accept(char wanted) {
  skip_spaces();
  if (at_ >= text_.size() || text_[at_] != wanted) return false;
  ++at_;
  return true;
}

void ExtentParser::expect(char wanted) {
  if (!accept(wanted)) give_up();
}

Extent ExtentParser::sum() {
  if (++depth_ > kMaxDepth) give_up();
  std::vector<Extent> parts{product()};
  while (true) {
    const bool minus = accept('-');
    if (!minus && !accept('+')) break;
    Extent part = product();
    if (minus) part = Extent::combined(Extent::Kind::kProduct, {Extent::number(-1), part});
    parts.push_back(std::move(part));
  }
  --depth_;
  return parts.size() == 1 ? std::move(parts[0])
                           : Extent::combined(Extent::Kind::kSum, std::move(parts));
}

Extent ExtentParser::product() {
  std::vector<Extent> parts{factor()};
  while (accept('*')) parts.push_back(factor());
  return parts.size() == 1 ? std::move(parts[0])
                           : Extent::combined(Extent::Kind::kProduct, std::move(parts));
}

Extent ExtentParser::factor() {
  if (accept('(')) {
    Extent inner = sum();
    expect(')');
    return inner;
  }
  skip_spaces();
  if (at_ >= text_.size()) give_up();
  if (is_digit(text_[at_]) || text_[at_] == '-') return number();
  return named();
}

Extent ExtentParser::number() {
  int64_t value = 0;
  const char* const end = text_.data() + text_.size();
  const auto [rest, error] = std::from_chars(text_.data() + at_, end, value);
  if (error != std::errc()) give_up();
  at_ = static_cast<size_t>(rest - text_.data());
  while (at_ < text_.size() && (text_[at_] == 'L' || text_[at_] == 'l')) ++at_;
  return Extent::number(value);
}

std::string_view ExtentParser::word() {
  skip_spaces();
  const size_t begin = at_;
  while (at_ < text_.size() && is_word(text_[at_])) ++at_;
  if (at_ == begin) give_up();
  return text_.substr(begin, at_ - begin);
}

std::vector<Extent> ExtentParser::arguments() {
  std::vector<Extent> given;
  do {
    given.push_back(sum());
  } while (accept(','));
  expect(')');
  return given;
}

Extent ExtentParser::quoted_symbol() {
  expect('\'');
  const size_t end = text_.find('\'', at_);
  const size_t close = text_.find(')', at_);
  if (end == std::string_view::npos || close == std::string_view::npos || close < end) give_up();
  Extent made = Extent::symbol(std::string(text_.substr(at_, end - at_)));
  at_ = close + 1;
  return made;
}

Extent ExtentParser::named() {
  const std::string_view name = word();
  if (accept('<')) {  // of static_cast<int64_t>(…) and std::max<int64_t>(…)
    word();
    expect('>');
  }
  if (!accept('(')) return Extent::symbol(std::string(name));
  if (name == "Symbol") return quoted_symbol();
  std::vector<Extent> given = arguments();
  using Kind = Extent::Kind;
  if ((name == "static_cast" || name == "Integer") && given.size() == 1) return given[0];
  if (name == "Add") return Extent::combined(Kind::kSum, std::move(given));
  if (name == "Mul") return Extent::combined(Kind::kProduct, std::move(given));
  if (name == "Max" || name == "std::max")
    return Extent::combined(Kind::kLargest, std::move(given));
  if (name == "Min" || name == "std::min") return Extent::combined(Kind::kSmallest, given);
  const bool divides = name == "c10::div_floor_integer" || name.ends_with("FloorDiv");
  if (divides && given.size() == 2) return Extent::combined(Kind::kQuotient, std::move(given));
  give_up();
}

}  // namespace torchsight
