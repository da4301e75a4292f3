#include "diffusion/threshold.h"

#include <ATen/ATen.h>

#include <cmath>

#include "runtime/config_reader.h"

namespace torchsight::diffusion {
namespace {

constexpr double kMostBound = 1e6;

}  // namespace

at::Tensor row_quantile(const at::Tensor& values_BN, double q) {
  const double rank = q * static_cast<double>(values_BN.size(1) - 1);
  const auto below = static_cast<int64_t>(std::floor(rank));
  const double between = rank - static_cast<double>(below);
  // Not kthvalue, which takes quadratic time for some orders.
  const at::Tensor top_BK =
      std::get<0>(at::topk(values_BN, values_BN.size(1) - below, 1, true, /*sorted=*/false));
  if (between == 0) return top_BK.amin(1);
  const at::Tensor lowest_B2 = std::get<0>(at::topk(top_BK, 2, 1, /*largest=*/false));
  return at::lerp(lowest_B2.select(1, 0), lowest_B2.select(1, 1), between);
}

at::Tensor Threshold::operator()(const at::Tensor& x_BS) const {
  if (kind == Kind::kNone) return x_BS;
  if (kind == Kind::kStatic) return at::clamp(x_BS, -1, 1);
  const auto dtype = at::promote_types(x_BS.scalar_type(), at::kFloat);
  const at::Tensor s_B = row_quantile(x_BS.to(dtype).abs().flatten(1), percentile).clamp_min(1);
  std::vector<int64_t> shape(x_BS.dim(), 1);
  shape.front() = x_BS.size(0);
  const at::Tensor s_BS = (most > 0 ? s_B.clamp_max(most) : s_B).view(shape).to(x_BS.scalar_type());
  return at::clamp(x_BS, -s_BS, s_BS) / s_BS;
}

Threshold Threshold::from_json(const Json& json) {
  static constexpr const char* kName = "threshold";
  Threshold threshold;
  if (!json.is_object()) {
    const Json given(Json::Object{{kName, json}});
    threshold.kind = ConfigReader(given).choice<Kind>(
        kName, {{"static", Kind::kStatic}, {"none", Kind::kNone}, {"dynamic", Kind::kDynamic}});
    return threshold;
  }
  const ConfigReader reader(json, "threshold.");
  threshold.kind = Kind::kDynamic;
  threshold.percentile = reader.positive("percentile", 1, threshold.percentile);
  threshold.most = reader.number("most", 1, kMostBound, 0);
  return threshold;
}

}  // namespace torchsight::diffusion
