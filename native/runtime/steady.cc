#include "runtime/steady.h"

namespace torchsight {
namespace {

thread_local bool steady = false;

}  // namespace

Steady::Steady(bool on) noexcept : before_(steady) {
  steady = steady || on;
}

Steady::~Steady() {
  steady = before_;
}

bool Steady::on() noexcept {
  return steady;
}

}  // namespace torchsight
