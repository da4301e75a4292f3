#include "diffusion/guidance.h"

#include <ATen/ATen.h>

#include <cmath>

#include "runtime/error.h"

namespace torchsight::diffusion {
namespace {

constexpr double kMostWeight = 1000;

// Both conditions, one batch behind the other.
NamedTensors both(const Conditions& conditions) {
  NamedTensors joined;
  for (const auto& [name, given] : conditions.given) {
    const at::Tensor* without = find_tensor(conditions.without, name);
    if (!without || without->sizes() != given.sizes()) {
      throw Error(ErrorCode::kBadInput, "expected " + name +
                                            " of one shape with and without the condition but "
                                            "received " +
                                            (without ? "two shapes" : "it only with"));
    }
    joined.emplace_back(name, at::cat({given, *without}));
  }
  return joined;
}

at::Tensor weights_like(const at::Tensor& weight_B, const at::Tensor& like_BS) {
  std::vector<int64_t> shape(like_BS.dim(), 1);
  shape.front() = weight_B.size(0);
  return weight_B.view(shape).to(like_BS.options());
}

}  // namespace

double Guidance::at(int64_t step, int64_t steps) const {
  if (kind == Kind::kConstant) return weight;
  const auto first = static_cast<int64_t>(std::ceil(lead * static_cast<double>(steps)));
  return step < first || (step - first) % 2 == 1 ? weight : low;
}

Guidance Guidance::from_json(const Json& json) {
  if (!json.is_object()) return from_json(Json(Json::Object{{"weight", json}}));
  const ConfigReader reader(json, "guidance.");
  Guidance guidance;
  if (json.find("weight") && json.find("scale")) {
    reader.refuse("a weight or a scale", "weight", "both");
  }
  if (json.find("scale")) {
    guidance.weight = reader.number("scale", 1, kMostWeight, 1) - 1;
  } else {
    guidance.weight = reader.number("weight", 0, kMostWeight, guidance.weight);
  }
  if (json.find("low")) guidance.kind = Kind::kOscillating;
  guidance.low = reader.number("low", 0, kMostWeight, guidance.low);
  guidance.lead = reader.number("lead", 0, 1, guidance.lead);
  guidance.passes = reader.choice<Passes>(
      "passes",
      {{"together", Passes::kTogether}, {"apart", Passes::kApart}, {"one", Passes::kOne}});
  return guidance;
}

at::Tensor guided(const at::Tensor& given_BS, const at::Tensor& without_BS, double weight) {
  return given_BS + weight * (given_BS - without_BS);
}

at::Tensor guided(const at::Tensor& given_BS, const at::Tensor& without_BS,
                  const at::Tensor& weight_B) {
  return given_BS + weights_like(weight_B, given_BS) * (given_BS - without_BS);
}

at::Tensor predict_guided(Denoiser& denoiser, const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                          const Conditions& conditions, const Guidance& guidance, double weight,
                          JobContext& context) {
  const auto predict = [&](const at::Tensor& z, const at::Tensor& logsnr, const NamedTensors& of) {
    return denoiser.predict(z, logsnr, of, context).to(z_BS.scalar_type());
  };
  if (guidance.passes == Guidance::Passes::kOne) {
    NamedTensors weighed = conditions.given;
    weighed.emplace_back(Guidance::kWeightInput, at::full({z_BS.size(0)}, weight, at::kDouble));
    return predict(z_BS, logsnr_B, weighed);
  }
  if (weight == 0) return predict(z_BS, logsnr_B, conditions.given);
  if (conditions.without.empty()) {
    throw Error(ErrorCode::kBadInput, "expected conditions to be led away from for guidance " +
                                          std::to_string(weight) + " but received none");
  }
  if (guidance.passes == Guidance::Passes::kApart) {
    const at::Tensor given_BS = predict(z_BS, logsnr_B, conditions.given);
    return guided(given_BS, predict(z_BS, logsnr_B, conditions.without), weight);
  }
  const at::Tensor twice =
      predict(at::cat({z_BS, z_BS}), at::cat({logsnr_B, logsnr_B}), both(conditions));
  const std::vector<at::Tensor> halves_BS = twice.chunk(2);
  return guided(halves_BS[0], halves_BS[1], weight);
}

}  // namespace torchsight::diffusion
