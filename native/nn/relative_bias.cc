#include "nn/relative_bias.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace torchsight {

int64_t relative_bucket(int64_t offset, int64_t buckets, int64_t max_distance) {
  const int64_t half = buckets / 2, single = half / 2, distance = std::abs(offset);
  const int64_t first = offset > 0 ? half : 0;
  if (distance < single) return first + distance;
  // In float32, as the models were trained: at powers the rounding decides on the bucket.
  const auto rise = std::log(static_cast<float>(distance) / static_cast<float>(single)) /
                    static_cast<float>(
                        std::log(static_cast<double>(max_distance) / static_cast<double>(single))) *
                    static_cast<float>(half - single);
  return first + std::min(single + static_cast<int64_t>(rise), half - 1);
}

at::Tensor relative_bias(const at::Tensor& table_KH, int64_t tokens, int64_t max_distance) {
  at::Tensor buckets_O = at::empty({2 * tokens - 1}, at::kLong);
  for (int64_t i = 0; i < buckets_O.numel(); ++i) {
    buckets_O.mutable_data_ptr<int64_t>()[i] =
        relative_bucket(i - (tokens - 1), table_KH.size(0), max_distance);
  }
  // All offsets once; the row of a token is a window of them that begins one earlier for each.
  const at::Tensor bias_HO = at::embedding(table_KH, buckets_O.to(table_KH.device())).t();
  return bias_HO.unfold(1, tokens, 1).flip(1).unsqueeze(0);
}

}  // namespace torchsight
