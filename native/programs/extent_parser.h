// Reads the text of an `Extent`.
#pragma once

#include <string>
#include <string_view>

#include "programs/extent.h"

namespace torchsight {

class ExtentParser {
 public:
  explicit ExtentParser(std::string_view text) : text_(text) {}

  Extent parse();

 private:
  Extent sum();
  Extent product();
  Extent factor();
  Extent named();
  Extent number();
  /// `Symbol('s77', positive=True, integer=True)`, after its opening parenthesis.
  Extent quoted_symbol();
  std::vector<Extent> arguments();
  std::string_view word();
  bool accept(char wanted);
  void expect(char wanted);
  void skip_spaces();
  [[noreturn]] void give_up() const;

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace torchsight
