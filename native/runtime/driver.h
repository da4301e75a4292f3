// Why there is no NVIDIA card to compute on: asked of the driver itself, through its C interface.
#pragma once

#include <string>

#include "runtime/error.h"

namespace torchsight {

struct Driver {
  bool found = false;   // whether the library of a driver is there
  int status = 0;       // what starting it said: CUresult
  int version = 0;      // the newest CUDA it runs, 1000 major + 10 minor
  int needed = 0;       // the CUDA that libtorch was made for, in the same form
  std::string visible;  // CUDA_VISIBLE_DEVICES, where it is set and hides all cards
};

/// `Error(kUnsupported)` that says why `device` cannot be used and what to do about it.
Error no_card(const std::string& device, const Driver& driver);
/// The same of this machine's driver.
Error no_card(const std::string& device);

}  // namespace torchsight
