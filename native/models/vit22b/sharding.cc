#include "models/vit22b/sharding.h"

namespace torchsight::vit22b {

TensorParallel shard(const Config& config, const ModuleOptions& options) {
  TensorParallel ranks(options);
  ranks.check_divisible(config.heads, "num_attention_heads");
  ranks.check_divisible(config.hidden, "intermediate_size");
  return ranks;
}

void mark_partial(std::vector<Parameter>& parameters, const TensorParallel& ranks) {
  for (Parameter& parameter : parameters) {
    const std::string_view name = parameter.name;
    const bool of_heads = name.ends_with(".q_norm.weight") || name.ends_with(".k_norm.weight");
    parameter.partial = ranks.sharded() && !parameter.cut && (of_heads || ranks.divides_stream());
  }
}

}  // namespace torchsight::vit22b
