// What libtorch's ProcessGroupGloo.hpp needs of Gloo to be compiled. libtorch holds these types by
// pointer only, so its object sizes and vtables do not depend on what is declared here. Nothing in
// this folder may be constructed or derived from.
#pragma once

#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo
