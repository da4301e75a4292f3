// Short names of contents, to tell them apart.
#pragma once

#include <string>

namespace torchsight {

/// 40 hexadecimal digits: the SHA-1 of a text that is not empty. Against mistakes, not against
/// those who make two texts with one digest.
std::string digest_of(const std::string& text);

}  // namespace torchsight
