#include "nn/encoder_config.h"

namespace torchsight {

double EncoderConfig::weights() const {
  const double d = static_cast<double>(width);
  return static_cast<double>(depth) * (4 * d * d + 2 * d * static_cast<double>(hidden));
}

EncoderConfig EncoderConfig::from_json(const ConfigReader& config, const EncoderConfig& defaults) {
  EncoderConfig tower = defaults;
  tower.width = config.size("hidden_size", tower_limits::kWidth, defaults.width);
  tower.depth = config.size("num_hidden_layers", tower_limits::kDepth, defaults.depth);
  tower.heads = config.size("num_attention_heads", tower_limits::kWidth, defaults.heads);
  tower.hidden = config.size("intermediate_size", tower_limits::kHidden, defaults.hidden);
  tower.norm_eps = config.positive("layer_norm_eps", 1, defaults.norm_eps);
  tower.activation = config.choice<Activation>("hidden_act",
                                               {{"quick_gelu", Activation::kQuickGelu},
                                                {"gelu", Activation::kGelu},
                                                {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                                {"gelu_new", Activation::kGeluTanh}},
                                               defaults.activation);
  if (tower.width % tower.heads != 0) {
    config.refuse("a divisor of hidden_size " + std::to_string(tower.width), "num_attention_heads",
                  std::to_string(tower.heads));
  }
  return tower;
}

}  // namespace torchsight
