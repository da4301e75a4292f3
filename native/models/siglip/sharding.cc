#include "models/siglip/sharding.h"

#include "nn/tensor_parallel.h"

namespace torchsight::siglip {

void check_sharding(const Config& config, const ModuleOptions& options) {
  const TensorParallel ranks(options);
  const auto check = [&](const EncoderConfig& tower, const std::string& name) {
    ranks.check_divisible(tower.heads, name + ".num_attention_heads");
    ranks.check_divisible(tower.hidden, name + ".intermediate_size");
  };
  if (config.vision) check(config.vision->encoder, "vision_config");
  if (config.text) check(config.text->encoder, "text_config");
}

}  // namespace torchsight::siglip
