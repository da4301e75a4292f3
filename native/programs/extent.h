// Sizes and strides as PyTorch writes them into a package: numbers, symbols and what is computed of
// them, in the C++ of a compiled model ("2L*s77") or in the form of sympy's `srepr` that exported
// programs have ("Mul(Integer(2), Symbol('s77', positive=True, integer=True))").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace torchsight {

class Extent {
 public:
  /// What each symbol of a call stands for.
  using Symbols = std::map<std::string, int64_t, std::less<>>;

  /// Text that is not understood becomes an extent without a value, whose `text` it is.
  static Extent parse(std::string_view text);
  static Extent symbol(std::string name);
  static Extent number(int64_t value);

  /// The value where all symbols have one; nothing where they have not, or the text was not
  /// understood, or the value does not fit.
  std::optional<int64_t> value(const Symbols& symbols) const;
  /// Whether it is understood and made of nothing but numbers and these symbols.
  bool is_made_of(const std::set<std::string>& symbols) const;
  bool is_symbol() const noexcept { return kind_ == Kind::kSymbol; }
  bool is_number() const noexcept { return kind_ == Kind::kNumber; }
  /// As people write it: "8", "s77", "2*s77".
  const std::string& text() const noexcept { return text_; }

 private:
  friend class ExtentParser;
  enum class Kind { kNumber, kSymbol, kSum, kProduct, kQuotient, kLargest, kSmallest, kUnknown };

  static Extent combined(Kind kind, std::vector<Extent> parts);
  std::optional<int64_t> fold(int64_t left, int64_t right) const;

  Kind kind_ = Kind::kUnknown;
  int64_t number_ = 0;
  std::vector<Extent> parts_;
  std::string text_;
};

}  // namespace torchsight
