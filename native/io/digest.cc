#include "io/digest.h"

#include <c10/util/hash.h>

namespace torchsight {

std::string digest_of(const std::string& text) {
  return c10::sha1(text).str();
}

}  // namespace torchsight
