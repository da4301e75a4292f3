#include "nn/decoder/cache.h"

#include <ATen/ATen.h>

namespace torchsight {

KvCache::KvCache(const DecoderConfig& config, int64_t batch, int64_t capacity,
                 const at::TensorOptions& memory)
    : capacity_(capacity), begin_B_(at::zeros({batch}, at::kLong)) {
  for (int64_t l = 0; l < config.depth; ++l) {
    for (std::vector<at::Tensor>* part : {&keys_, &values_}) {
      // Zeros: what is masked has no weight, but would pass on numbers that are not finite.
      part->push_back(at::zeros({batch, config.kv_heads, capacity, config.head_width}, memory));
    }
  }
}

void KvCache::write(int64_t layer, const at::Tensor& keys_BTKe, const at::Tensor& values_BTKe) {
  const int64_t tokens = keys_BTKe.size(1);
  keys_[layer].narrow(2, length_, tokens).copy_(keys_BTKe.transpose(1, 2));
  values_[layer].narrow(2, length_, tokens).copy_(values_BTKe.transpose(1, 2));
}

void KvCache::write_at(int64_t layer, const at::Tensor& place_1, const at::Tensor& keys_B1Ke,
                       const at::Tensor& values_B1Ke) {
  keys_[layer].index_copy_(2, place_1, keys_B1Ke.transpose(1, 2));
  values_[layer].index_copy_(2, place_1, values_B1Ke.transpose(1, 2));
}

void KvCache::select(const at::Tensor& rows_R) {
  begin_B_ = begin_B_.index_select(0, rows_R.cpu());
  for (std::vector<at::Tensor>* part : {&keys_, &values_}) {
    for (at::Tensor& memory_BKTe : *part) {
      const at::Tensor old_BKTe = memory_BKTe.narrow(2, 0, length_);
      std::vector<int64_t> sizes = memory_BKTe.sizes().vec();
      sizes[0] = rows_R.size(0);
      at::Tensor fresh_RKTe = at::zeros(sizes, memory_BKTe.options());
      fresh_RKTe.narrow(2, 0, length_)
          .copy_(old_BKTe.index_select(0, rows_R.to(memory_BKTe.device())));
      memory_BKTe = std::move(fresh_RKTe);
    }
  }
}

}  // namespace torchsight
