// Keys and values of the tokens that a decoder has read.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/decoder/config.h"

namespace torchsight {

/// Static memory for up to `capacity` tokens of each row. All rows end at one place: shorter
/// prompts begin later.
class KvCache {
 public:
  KvCache(const DecoderConfig& config, int64_t batch, int64_t capacity,
          const at::TensorOptions& memory);

  int64_t batch() const { return begin_B_.size(0); }
  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  /// Where each row begins: int64 [B] on the CPU.
  const at::Tensor& begin() const { return begin_B_; }
  /// Says where rows begin; before anything is written.
  void set_begin(at::Tensor begin_B) { begin_B_ = std::move(begin_B); }

  /// Puts the keys and values of T further tokens behind the others, `[B, T, K, e]` of any strides.
  void write(int64_t layer, const at::Tensor& keys_BTKe, const at::Tensor& values_BTKe);
  /// Puts those of one further token at the place that `place_1`, int64 [1] on the device, says.
  void write_at(int64_t layer, const at::Tensor& place_1, const at::Tensor& keys_B1Ke,
                const at::Tensor& values_B1Ke);
  /// Counts T tokens as read, after all layers have written theirs.
  void advance(int64_t tokens) { length_ += tokens; }

  /// The whole memory of a layer: [B, K, capacity, e].
  const at::Tensor& keys(int64_t layer) const { return keys_[layer]; }
  const at::Tensor& values(int64_t layer) const { return values_[layer]; }

  /// Row r becomes what row `rows_R[r]` was; rows may be dropped and repeated.
  void select(const at::Tensor& rows_R);

 private:
  int64_t capacity_;
  int64_t length_ = 0;
  at::Tensor begin_B_;
  std::vector<at::Tensor> keys_, values_;
};

}  // namespace torchsight
