// The order of the work that this process does together with others: all must do it in one order.
#pragma once

#include <cstdint>

namespace torchsight {

/// A place in that order, behind all that were made before; it is given up with the object. There
/// is one order for the whole process: two models over the same ranks would else be called in one
/// order here and in another one there.
class Turn {
 public:
  Turn();
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Returns once all places before this one have been given up.
  void wait() const;

 private:
  int64_t place_;
};

}  // namespace torchsight
