// config.json of model_type paligemma_masks, checked. No published file comes with one: its sizes
// are those of the tensors (lib/models/paligemma/mask_codec.ts).
#pragma once

#include <cstdint>
#include <vector>

#include "io/json.h"

namespace torchsight::paligemma {

struct MaskConfig {
  int64_t codes = 128;      // K, rows of the codebook
  int64_t embedding = 512;  // E, its columns
  int64_t width = 128;      // channels of the decoder's residual blocks
  /// Channels after each doubling of the decoder and each halving of the encoder.
  std::vector<int64_t> decoder_channels{128, 64, 32, 16};
  std::vector<int64_t> encoder_channels{128, 128, 128, 128};
  /// Kernels of the encoder: of the halvings, of a residual block, of the last convolution.
  std::vector<int64_t> encoder_kernels{4, 4, 4, 4};
  std::vector<int64_t> encoder_residual_kernels{3, 3, 1};
  int64_t encoder_last_kernel = 1;
  bool decoder_only = false;

  /// Throws `Error(kBadConfig)` for what no codec can be made of.
  static MaskConfig from_json(const Json& json);
};

}  // namespace torchsight::paligemma
