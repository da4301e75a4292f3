#include "tests/paths.h"

namespace torchsight::test {

std::filesystem::path fixtures() {
  return TORCHSIGHT_FIXTURES;
}

std::filesystem::path libraries() {
  return TORCHSIGHT_LIBRARIES;
}

std::filesystem::path worker() {
#ifdef TORCHSIGHT_WORKER
  return TORCHSIGHT_WORKER;
#else
  return {};
#endif
}

}  // namespace torchsight::test
