// What a config.json says of the layers of a tower. Field names are transformers'.
#pragma once

#include <cstdint>

#include "nn/activation.h"
#include "runtime/config_reader.h"

namespace torchsight {

/// Bounds of the fields of towers, far above any model that exists: they keep every product of
/// sizes within int64_t.
namespace tower_limits {
inline constexpr int64_t kWidth = 1 << 18;
inline constexpr int64_t kDepth = 1 << 12;
inline constexpr int64_t kHidden = 1 << 20;
inline constexpr int64_t kPixels = 1 << 15;
inline constexpr int64_t kPatch = 1 << 12;
inline constexpr int64_t kChannels = 1 << 10;
inline constexpr int64_t kVocabulary = 1 << 24;
inline constexpr int64_t kContext = 1 << 16;
inline constexpr double kParameters = 1e12;
}  // namespace tower_limits

/// How weights are drawn where there is no checkpoint.
enum class EncoderInit {
  kClip,    // normal, narrower the deeper the tower
  kXavier,  // uniform, as flax and SigLIP
};

/// Sizes of a tower of `EncoderLayer`s.
struct EncoderConfig {
  int64_t width = 0;   // d
  int64_t depth = 0;   // layers
  int64_t heads = 0;   // H, a divisor of d
  int64_t hidden = 0;  // F, of the MLP
  Activation activation = Activation::kQuickGelu;
  double norm_eps = 1e-5;
  EncoderInit init = EncoderInit::kClip;

  /// The number of the layers' weights.
  double weights() const;

  /// hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, layer_norm_eps and
  /// hidden_act; `defaults` where they are absent. Throws `Error(kBadConfig)`.
  static EncoderConfig from_json(const ConfigReader& config, const EncoderConfig& defaults);
};

}  // namespace torchsight
