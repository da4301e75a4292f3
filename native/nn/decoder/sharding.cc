#include "nn/decoder/sharding.h"

#include <algorithm>

namespace torchsight {

DecoderShare::DecoderShare(const DecoderConfig& config, const ModuleOptions& options)
    : ranks(TensorParallel::replicated(options)), full(config), own(config) {
  if (!ranks.sharded()) return;
  const int64_t size = ranks.size();
  ranks.check_divisible(config.heads, "num_attention_heads");
  ranks.check_divisible(config.hidden, "intermediate_size");
  if (size % config.kv_heads != 0) ranks.check_divisible(config.kv_heads, "num_key_value_heads");
  own.heads = ranks.share(config.heads);
  own.kv_heads = std::max<int64_t>(1, config.kv_heads / size);
  own.hidden = ranks.share(config.hidden);
  if (config.vocabulary % size == 0) own.vocabulary = ranks.share(config.vocabulary);
  const int64_t sharers = std::max<int64_t>(1, size / config.kv_heads);
  kv_heads = Cut{0, ranks.rank() * config.kv_heads / size, own.kv_heads,
                 /*copy=*/ranks.rank() % sharers != 0};
}

}  // namespace torchsight
