#include "models/vit22b/sharding.h"

namespace torchsight::vit22b {

TensorParallel shard(const Config& config, const ModuleOptions& options) {
  TensorParallel ranks(options);
  ranks.check_divisible(config.heads, "num_attention_heads");
  ranks.check_divisible(config.hidden, "intermediate_size");
  return ranks;
}

}  // namespace torchsight::vit22b
