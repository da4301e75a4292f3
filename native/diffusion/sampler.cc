#include "diffusion/sampler.h"

#include <ATen/ATen.h>

#include "diffusion/steps.h"
#include "runtime/error.h"

namespace torchsight::diffusion {
namespace {

[[noreturn]] void refuse(ErrorCode code, const std::string& expected, const char* name,
                         const at::Tensor& received) {
  const std::string shape = received.defined() ? c10::str(received.sizes()) : "nothing";
  throw Error(code, "expected " + expected + " for " + name + " but received " + shape);
}

class Run {
 public:
  Run(Denoiser& denoiser, const NoiseSchedule& schedule, const SamplerOptions& options,
      const SampleRequest& request, JobContext& context)
      : denoiser_(denoiser),
        schedule_(schedule),
        options_(options),
        request_(request),
        context_(context),
        total_(
            static_cast<double>(options.evaluations(request.known ? request.known->repeats : 1))) {
    check();
  }

  at::Tensor operator()() {
    at::Tensor z_BS = noise();
    // One noise for all of a deterministic path: the known part then moves as a sample would.
    if (request_.known) known_noise_BS_ = noise();
    const int64_t repeats = request_.known ? request_.known->repeats : 1;
    if (options_.skip > 0) {
      z_BS = noised(request_.start_BS, z_BS, Level::all(logsnr(options_.skip)));
    }
    for (int64_t step = options_.skip; step < options_.steps; ++step) {
      const bool last = step + 1 == options_.steps;
      for (int64_t repeat = 0; repeat < (last ? 1 : repeats); ++repeat) {
        if (repeat > 0) z_BS = renoised(z_BS, logsnr(step + 1), logsnr(step), noise());
        z_BS = with_known(z_BS, logsnr(step));
        z_BS = advance(z_BS, evaluate(z_BS, logsnr(step), step), step);
      }
      for (int64_t i = 0; i < (last ? 0 : options_.corrections); ++i) {
        z_BS = with_known(z_BS, logsnr(step + 1));
        const Denoised parts = evaluate(z_BS, logsnr(step + 1), step + 1);
        z_BS = langevin_step(z_BS, parts.epsilon_BS, logsnr(step + 1), options_.delta, noise());
      }
      preview(step);
    }
    return request_.known ? request_.known->completed(z_BS) : z_BS;
  }

 private:
  void check() const {
    const at::Tensor& like_BS = request_.like_BS;
    const auto dtype = like_BS.scalar_type();
    if (like_BS.dim() < 2 || like_BS.numel() == 0 ||
        (dtype != at::kFloat && dtype != at::kDouble)) {
      refuse(ErrorCode::kShape, "float32 or float64 samples [B, ...]", "the samples", like_BS);
    }
    if (request_.streams.size() != like_BS.size(0)) {
      throw Error(ErrorCode::kBadInput,
                  "expected a seed for each of " + std::to_string(like_BS.size(0)) +
                      " samples but received " + std::to_string(request_.streams.size()));
    }
    if (options_.skip > 0 &&
        (!request_.start_BS.defined() || request_.start_BS.sizes() != like_BS.sizes())) {
      refuse(ErrorCode::kShape, c10::str(like_BS.sizes()), "what to start from", request_.start_BS);
    }
    if (!request_.known) return;
    const Known& known = *request_.known;
    if (known.values_BS.sizes() != like_BS.sizes()) {
      refuse(ErrorCode::kShape, c10::str(like_BS.sizes()), "the known values", known.values_BS);
    }
    if (known.mask_BS.scalar_type() != at::kBool) {
      throw Error(ErrorCode::kDtype, "expected bool for the mask of what is known but received " +
                                         std::string(dtype_name(known.mask_BS.scalar_type())));
    }
    if (known.repeats < 1) {
      throw Error(ErrorCode::kBadInput,
                  "expected at least 1 for repeats but received " + std::to_string(known.repeats));
    }
  }

  /// Where step `step`, from 0, begins, and the one before it ends.
  double logsnr(int64_t step) const {
    return schedule_.logsnr(static_cast<double>(options_.steps - step) /
                            static_cast<double>(options_.steps));
  }

  at::Tensor noise() { return request_.streams.normal(request_.like_BS, draw_++); }

  at::Tensor with_known(const at::Tensor& z_BS, double logsnr) {
    if (!request_.known) return z_BS;
    const bool fixed = options_.kind == SamplerOptions::Kind::kDdim && request_.known->repeats == 1;
    return request_.known->replaced(z_BS, Level::all(logsnr), fixed ? known_noise_BS_ : noise());
  }

  // What the network, guided and kept in range, takes z for.
  Denoised evaluate(const at::Tensor& z_BS, double logsnr, int64_t step) {
    context_.checkpoint();
    const Level level = Level::all(logsnr);
    const at::Tensor logsnr_B = at::full({z_BS.size(0)}, logsnr, at::kDouble);
    const double weight = options_.guidance.at(std::min(step, options_.steps - 1), options_.steps);
    at::Tensor predicted_BS;
    const auto predict_x = [&](const at::Tensor& z) {
      predicted_BS = predict_guided(denoiser_, z, logsnr_B, request_.conditions, options_.guidance,
                                    weight, context_);
      return x_of(denoiser_.prediction(), z, predicted_BS, level);
    };
    const bool reconstructs =
        request_.known && request_.known->method == Known::Method::kReconstruction;
    x_BS_ = reconstructs ? request_.known->reconstructed(z_BS, level, predict_x) : predict_x(z_BS);
    if (!at::isfinite(x_BS_).all().item<bool>()) {
      throw Error(ErrorCode::kDiverged, "expected finite numbers of the network in step " +
                                            std::to_string(step + 1) + " of " +
                                            std::to_string(options_.steps) + " of " +
                                            request_.phase + " but received some that are none");
    }
    context_.progress({++done_, total_, request_.phase});
    const bool moves = reconstructs || options_.threshold.kind != Threshold::Kind::kNone;
    if (!moves) return denoised(denoiser_.prediction(), z_BS, predicted_BS, level);
    x_BS_ = options_.threshold(x_BS_);
    return {x_BS_, epsilon_beside(z_BS, x_BS_, level)};
  }

  // z at the end of the step.
  at::Tensor advance(const at::Tensor& z_BS, const Denoised& parts, int64_t step) {
    if (step + 1 == options_.steps) return parts.x_BS;
    switch (options_.kind) {
      case SamplerOptions::Kind::kAncestral:
        return ancestral_step(z_BS, parts.x_BS, logsnr(step), logsnr(step + 1), options_.gamma,
                              noise());
      case SamplerOptions::Kind::kStochastic: {
        const bool to_data = step + 2 == options_.steps;
        const at::Tensor ahead_BS = to_data ? parts.x_BS : ddim_step(parts, logsnr(step + 2));
        return renoised(ahead_BS, logsnr(step + 2), logsnr(step + 1), noise());
      }
      default:
        return ddim_step(parts, logsnr(step + 1));
    }
  }

  void preview(int64_t step) {
    if (options_.preview_every == 0) return;
    if ((step + 1) % options_.preview_every != 0 && step + 1 != options_.steps) return;
    const at::Tensor seen_BS = request_.known ? request_.known->completed(x_BS_) : x_BS_;
    if (request_.item) {
      context_.emit(request_.item(seen_BS, step + 1));
    } else {
      context_.emit({{"preview", seen_BS}, {"step", at::scalar_tensor(step + 1, at::kLong)}});
    }
  }

  Denoiser& denoiser_;
  const NoiseSchedule& schedule_;
  const SamplerOptions& options_;
  const SampleRequest& request_;
  JobContext& context_;
  const double total_;
  double done_ = 0;
  int64_t draw_ = 0;
  at::Tensor known_noise_BS_;
  at::Tensor x_BS_;  // of the last evaluation
};

}  // namespace

at::Tensor sample(Denoiser& denoiser, const NoiseSchedule& schedule, const SamplerOptions& options,
                  const SampleRequest& request, JobContext& context) {
  return Run(denoiser, schedule, options, request, context)();
}

}  // namespace torchsight::diffusion
