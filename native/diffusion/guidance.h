// Classifier-free guidance: Ho and Salimans (arXiv 2207.12598); oscillating weights: Ho et al.
// (arXiv 2210.02303, section 2.7).
#pragma once

#include "diffusion/denoiser.h"

namespace torchsight::diffusion {

struct Guidance {
  enum class Kind { kConstant, kOscillating };
  enum class Passes {
    kTogether,  // both predictions in one batch of 2 B
    kApart,     // one after the other, in half the memory
    kOne,       // the network was distilled, and takes the weight as the condition kWeightInput
  };
  /// The name of the weights [B] among the conditions of a distilled network.
  static constexpr const char* kWeightInput = "guidance_weight";

  Kind kind = Kind::kConstant;
  Passes passes = Passes::kTogether;
  double weight = 0;  // w; 0: none. Elsewhere also written as the scale 1 + w
  double low = 1;     // of kOscillating, `weight` being the high one
  double lead = 0.1;  // share of the steps before it oscillates

  /// The weight of step `step` of `steps`, from 0: of kOscillating the high one for the first
  /// ceil(lead steps), then low, high, low, ...
  double at(int64_t step, int64_t steps) const;

  /// Of a number w, or `{weight | scale, low, lead, passes: "together" | "apart" | "one"}`; with
  /// `low` it oscillates. Throws `Error(kBadConfig)`, naming `guidance`.
  static Guidance from_json(const Json& json);
};

/// (1 + w) given - w without, in terms of x, epsilon or v alike, since 1 + w - w = 1.
at::Tensor guided(const at::Tensor& given_BS, const at::Tensor& without_BS, double weight);
/// The same with a weight for each sample.
at::Tensor guided(const at::Tensor& given_BS, const at::Tensor& without_BS,
                  const at::Tensor& weight_B);

/// The network's output, guided, in the dtype of `z_BS`. Without a weight it is that of
/// `conditions.given`, bit for bit. Throws `Error(kBadInput)` where there is a weight and nothing
/// to be led away from.
at::Tensor predict_guided(Denoiser& denoiser, const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                          const Conditions& conditions, const Guidance& guidance, double weight,
                          JobContext& context);

}  // namespace torchsight::diffusion
