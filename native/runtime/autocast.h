// Products in another dtype than that of the weights.
#pragma once

#include <ATen/autocast_mode.h>

#include <optional>

namespace torchsight {

/// Computes products in another dtype while it lives; the weights stay what they are. Without a
/// dtype it does nothing.
class Autocast {
 public:
  Autocast(at::DeviceType device, std::optional<at::ScalarType> dtype)
      : device_(device), on_(dtype.has_value()) {
    if (!on_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, *dtype);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

  /// The dtype that this thread's products on such devices have, where it is another.
  static std::optional<at::ScalarType> current(at::DeviceType device) {
    if (!at::autocast::is_autocast_enabled(device)) return std::nullopt;
    return at::autocast::get_autocast_dtype(device);
  }

 private:
  at::DeviceType device_;
  bool on_;
};

}  // namespace torchsight
