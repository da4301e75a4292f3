// Computation that gives the same bits wherever and whenever it runs.
#pragma once

namespace torchsight {

/// While one is on, nothing that this thread computes is chosen by a clock, as kernels otherwise
/// are: ranks of a group, and two loads of one model, would choose differently and so round
/// differently.
class Steady {
 public:
  explicit Steady(bool on) noexcept;
  ~Steady();
  Steady(const Steady&) = delete;
  Steady& operator=(const Steady&) = delete;

  static bool on() noexcept;

 private:
  bool before_;
};

}  // namespace torchsight
