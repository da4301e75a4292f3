#include "programs/extent.h"

#include <algorithm>
#include <cstdlib>

#include "programs/extent_parser.h"

namespace torchsight {
namespace {

// Far above any size, and such that sums of two values cannot overflow.
constexpr int64_t kLimit = int64_t{1} << 62;

std::optional<int64_t> within(int64_t value) {
  if (value < -kLimit || value > kLimit) return std::nullopt;
  return value;
}

}  // namespace

Extent Extent::symbol(std::string name) {
  Extent made;
  made.kind_ = Kind::kSymbol;
  made.text_ = std::move(name);
  return made;
}

Extent Extent::number(int64_t value) {
  Extent made;
  made.kind_ = Kind::kNumber;
  made.number_ = value;
  made.text_ = std::to_string(value);
  return made;
}

Extent Extent::combined(Kind kind, std::vector<Extent> parts) {
  const char* between = kind == Kind::kSum        ? " + "
                        : kind == Kind::kProduct  ? "*"
                        : kind == Kind::kQuotient ? "/"
                                                  : ", ";
  Extent made;
  for (const Extent& part : parts) {
    if (!made.text_.empty()) made.text_ += between;
    const bool nested = kind != Kind::kSum && part.parts_.size() > 1;
    made.text_ += nested ? "(" + part.text_ + ")" : part.text_;
  }
  if (kind == Kind::kLargest) made.text_ = "max(" + made.text_ + ")";
  if (kind == Kind::kSmallest) made.text_ = "min(" + made.text_ + ")";
  made.kind_ = kind;
  made.parts_ = std::move(parts);
  return made;
}

Extent Extent::parse(std::string_view text) {
  return ExtentParser(text).parse();
}

bool Extent::is_made_of(const std::set<std::string>& symbols) const {
  if (kind_ == Kind::kUnknown) return false;
  if (kind_ == Kind::kSymbol) return symbols.contains(text_);
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const Extent& part) { return part.is_made_of(symbols); });
}

std::optional<int64_t> Extent::fold(int64_t left, int64_t right) const {
  switch (kind_) {
    case Kind::kSum:
      return within(left + right);
    case Kind::kProduct:
      if (left != 0 && std::abs(right) > kLimit / std::abs(left)) return std::nullopt;
      return left * right;
    case Kind::kQuotient: {
      if (right == 0) return std::nullopt;
      const int64_t rest = left % right;
      return left / right - (rest != 0 && (rest < 0) != (right < 0) ? 1 : 0);
    }
    case Kind::kLargest:
      return std::max(left, right);
    default:
      return std::min(left, right);
  }
}

std::optional<int64_t> Extent::value(const Symbols& symbols) const {
  if (kind_ == Kind::kUnknown) return std::nullopt;
  if (kind_ == Kind::kNumber) return within(number_);
  if (kind_ == Kind::kSymbol) {
    const auto known = symbols.find(text_);
    return known == symbols.end() ? std::nullopt : within(known->second);
  }
  std::optional<int64_t> total;
  for (const Extent& part : parts_) {
    const std::optional<int64_t> value = part.value(symbols);
    if (!value) return std::nullopt;
    total = total ? fold(*total, *value) : value;
    if (!total) return std::nullopt;
  }
  return total;
}

}  // namespace torchsight
