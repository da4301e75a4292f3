// Diffusion where all is known in closed form: data of normal distributions, for which the best
// network is affine. Its answers go through the real samplers, and what comes out is compared with
// the exact mean and deviation.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <array>
#include <atomic>

#include "diffusion/distillation.h"
#include "diffusion/loss.h"
#include "diffusion/steps.h"
#include "runtime/error.h"
#include "tests/diffusion_support.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace torchsight::diffusion;

namespace {

constexpr double kMean = 0.3, kDeviation = 0.5;
using Kind = SamplerOptions::Kind;

SamplerOptions plain(Kind kind, int64_t steps, double gamma = 0.3) {
  SamplerOptions options;
  options.kind = kind;
  options.steps = steps;
  options.gamma = gamma;
  options.threshold.kind = Threshold::Kind::kNone;
  return options;
}

at::Tensor samples(Denoiser& denoiser, const SamplerOptions& options, const at::Tensor& like_BS,
                   const Conditions& conditions = {}, int64_t seed = 0) {
  JobContext context;
  const SampleRequest request{like_BS, conditions, streams_of(like_BS.size(0), seed)};
  return sample(denoiser, NoiseSchedule(), options, request, context);
}

at::Tensor doubles(at::IntArrayRef shape) {
  return at::empty(shape, at::kDouble);
}

double at_end(int64_t step, int64_t steps) {
  return NoiseSchedule().logsnr(static_cast<double>(steps - step) / static_cast<double>(steps));
}

struct Moments {
  double mean, deviation;
};

// The exact moments of a sampler's result: each step of it is affine in z and its noise, which
// three points tell.
Moments exact(Kind kind, int64_t steps, double gamma) {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  JobContext context;
  double mean = 0, variance = 1;
  for (int64_t step = 0; step < steps; ++step) {
    const double t = at_end(step, steps), s = at_end(step + 1, steps);
    const bool last = step + 1 == steps;
    const at::Tensor z = at::tensor({0.0, 1.0, 0.0}, at::kDouble).unsqueeze(1);
    const at::Tensor noise = at::tensor({0.0, 0.0, 1.0}, at::kDouble).unsqueeze(1);
    const at::Tensor v = network.predict(z, at::full({3}, t, at::kDouble), {}, context);
    const Denoised parts = denoised(Prediction::kV, z, v, Level::all(t));
    at::Tensor out = parts.x_BS;
    if (!last && kind == Kind::kAncestral) out = ancestral_step(z, parts.x_BS, t, s, gamma, noise);
    if (!last && kind == Kind::kStochastic) {
      const double far = at_end(step + 2, steps);
      out = renoised(step + 2 == steps ? parts.x_BS : ddim_step(parts, far), far, s, noise);
    }
    const double shift = out[0].item<double>();
    const double gain = out[1].item<double>() - shift, spread = out[2].item<double>() - shift;
    mean = gain * mean + shift;
    variance = gain * gain * variance + spread * spread;
  }
  return {mean, std::sqrt(variance)};
}

// x = k1 z1 + k0 of a DDIM run, by its own noise.
std::pair<double, double> ddim_map(int64_t steps) {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  const at::Tensor like = doubles({2, 1});
  const at::Tensor z = streams_of(2).normal(like, 0);
  const at::Tensor x = samples(network, plain(Kind::kDdim, steps), like);
  const double gain = ((x[1] - x[0]) / (z[1] - z[0])).item<double>();
  return {gain, (x[0] - gain * z[0]).item<double>()};
}

}  // namespace

TEST_CASE("gaussian data: DDIM's map is the published one, and tends to the flow's") {
  for (const auto& [steps, gain, shift] :
       {std::tuple{8, 0.411373354226, 0.299994397104}, {256, 0.496996966694, 0.299993230912}}) {
    const auto [k1, k0] = ddim_map(steps);
    CHECK(std::abs(k1 - gain) < 1e-11);
    CHECK(std::abs(k0 - shift) < 1e-11);
  }
  // First order: the largest error over |z| <= 4.87, by slope and shift.
  const auto error = [](int64_t steps) {
    const auto [k1, k0] = ddim_map(steps);
    const double alpha = alpha_of(-20), sigma = sigma_of(-20);
    const double variance = alpha * alpha * kDeviation * kDeviation + sigma * sigma;
    const double slope = kDeviation / std::sqrt(variance);
    return 4.87 * std::abs(k1 - slope) + std::abs(k0 - kMean + slope * alpha * kMean);
  };
  CHECK(std::abs(error(64) - 5.8e-2) < 5e-4);
  CHECK(std::abs(error(256) - 1.5e-2) < 5e-4);
  CHECK(std::abs(error(1024) - 3.7e-3) < 5e-5);
  CHECK(error(256) / error(1024) == doctest::Approx(4).epsilon(0.1));
}

TEST_CASE("gaussian data: ancestral and stochastic samplers have the published deviations") {
  struct Row {
    Kind kind;
    int64_t steps;
    double gamma, deviation;
  };
  const std::vector<Row> rows{
      {Kind::kAncestral, 8, 0, 0.371135},      {Kind::kAncestral, 8, 0.3, 0.408395},
      {Kind::kAncestral, 8, 1, 0.525381},      {Kind::kAncestral, 64, 0, 0.473943},
      {Kind::kAncestral, 64, 0.3, 0.483040},   {Kind::kAncestral, 64, 1, 0.506691},
      {Kind::kAncestral, 256, 0, 0.492683},    {Kind::kAncestral, 256, 0.3, 0.495328},
      {Kind::kAncestral, 256, 1, 0.501773},    {Kind::kAncestral, 1024, 0, 0.498087},
      {Kind::kAncestral, 1024, 0.3, 0.498788}, {Kind::kAncestral, 1024, 1, 0.500450},
      {Kind::kStochastic, 8, 0, 0.334182},     {Kind::kStochastic, 64, 0, 0.470400},
      {Kind::kStochastic, 256, 0, 0.492281}};
  for (const Row& row : rows) {
    CAPTURE(row.steps);
    CAPTURE(row.gamma);
    const Moments moments = exact(row.kind, row.steps, row.gamma);
    CHECK(std::abs(moments.mean - kMean) < 1e-6);
    CHECK(std::abs(moments.deviation - row.deviation) < 1e-6);
  }
}

TEST_CASE("gaussian data: 200,000 samples drawn by whole runs have the exact moments") {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  for (const auto& [kind, gamma] :
       {std::pair{Kind::kAncestral, 0.3}, {Kind::kAncestral, 1.0}, {Kind::kStochastic, 0.0}}) {
    const Moments moments = exact(kind, 8, gamma);
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      const at::Tensor x = samples(network, plain(kind, 8, gamma), at::empty({20, 10'000}, dtype));
      CHECK(std::abs(x.mean().item<double>() - moments.mean) < 2.5e-3);
      CHECK(std::abs(x.std().item<double>() - moments.deviation) < 2.5e-3);
    }
  }
}

TEST_CASE("gaussian data: corrections move the deviation towards the data's") {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  const auto deviation = [&](int64_t corrections) {
    SamplerOptions options = plain(Kind::kAncestral, 16, 0);
    options.corrections = corrections;
    options.delta = 0.2;
    return samples(network, options, doubles({20, 10'000})).std().item<double>();
  };
  const double without = deviation(0), with = deviation(4);
  CHECK(std::abs(with - kDeviation) < 0.7 * std::abs(without - kDeviation));
}

TEST_CASE("perfect network: DDIM gives back the data and keeps to its path") {
  const at::Tensor data_BS = at::randn({2, 5}, at::kDouble);
  for (const Prediction kind : {Prediction::kX, Prediction::kV}) {
    FunctionDenoiser network(
        kind, [&](const at::Tensor& z_BS, const at::Tensor& logsnr_B, const NamedTensors&) {
          const Level level = Level::each(logsnr_B, z_BS);
          return prediction_of(kind, {data_BS, epsilon_beside(z_BS, data_BS, level)}, level);
        });
    for (const int64_t steps : {1, 2, 7, 50}) {
      const at::Tensor x_BS = samples(network, plain(Kind::kDdim, steps), data_BS);
      CHECK((x_BS - data_BS).abs().max().item<double>() < 1e-12);
    }
  }
  // On the way, z is alpha x + sigma epsilon with one epsilon.
  const at::Tensor epsilon_BS = at::randn({2, 5}, at::kDouble);
  const at::Tensor z_BS = ddim_step({data_BS, epsilon_BS}, 1.3);
  CHECK((epsilon_beside(z_BS, data_BS, Level::all(1.3)) - epsilon_BS).abs().max().item<double>() <
        1e-14);
}

TEST_CASE("gaussian data: one student step ends where two of the teacher do") {
  FunctionDenoiser teacher = gaussian_denoiser(kMean, kDeviation);
  JobContext context;
  const NoiseSchedule schedule;
  for (const int64_t steps : {1, 4, 128}) {
    const at::Tensor step_B = at::arange(steps);
    const at::Tensor x_BS = at::randn({steps, 3}, at::kDouble);
    const at::Tensor epsilon_BS = at::randn({steps, 3}, at::kDouble);
    const StudentTarget target =
        progressive_target(teacher, schedule, x_BS, epsilon_BS, step_B, steps, {}, context);
    for (int64_t b = 0; b < steps; ++b) {
      at::Tensor z_S = target.z_BS.narrow(0, b, 1);
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t place = 2 * (steps - 1 - b) + half;
        const double t = at_end(place, 2 * steps);
        const at::Tensor v = teacher.predict(z_S, at::full({1}, t, at::kDouble), {}, context);
        const Denoised parts = denoised(Prediction::kV, z_S, v, Level::all(t));
        const bool last = place + 1 == 2 * steps;
        z_S = last ? parts.x_BS : ddim_step(parts, at_end(place + 1, 2 * steps));
      }
      const Denoised student{target.parts.x_BS.narrow(0, b, 1),
                             target.parts.epsilon_BS.narrow(0, b, 1)};
      const at::Tensor ended = b == 0 ? student.x_BS : ddim_step(student, at_end(steps - b, steps));
      CHECK((ended - z_S).abs().max().item<double>() < 4e-15);
    }
  }
}

TEST_CASE("gaussian data: a student of N steps samples what its teacher does in 2 N") {
  FunctionDenoiser teacher = gaussian_denoiser(kMean, kDeviation);
  const int64_t steps = 8;
  JobContext context;
  // The student knows the target: an affine map for each of its steps, told by two points.
  FunctionDenoiser student(
      Prediction::kV, [&](const at::Tensor& z_BS, const at::Tensor& logsnr_B, const NamedTensors&) {
        const NoiseSchedule schedule;
        const double t = schedule.time(logsnr_B[0].item<double>());
        const auto step = static_cast<int64_t>(std::llround(t * steps)) - 1;
        // Data and noise whose z is the one that is asked about.
        const Level level = Level::each(logsnr_B, z_BS);
        const StudentTarget target =
            progressive_target(teacher, schedule, z_BS * level.alpha, z_BS * level.sigma,
                               at::full({z_BS.size(0)}, step, at::kLong), steps, {}, context);
        return prediction_of(Prediction::kV, target.parts, level);
      });
  const at::Tensor like = doubles({4, 6});
  const at::Tensor by_student = samples(student, plain(Kind::kDdim, steps), like);
  const at::Tensor by_teacher = samples(teacher, plain(Kind::kDdim, 2 * steps), like);
  CHECK((by_student - by_teacher).abs().max().item<double>() < 1e-11);
}

TEST_CASE("gaussian data: students that start anywhere learn the target") {
  // An affine student for the step, by gradient descent on the loss that training uses.
  FunctionDenoiser teacher = gaussian_denoiser(kMean, kDeviation);
  JobContext context;
  const int64_t steps = 4, count = 256;
  const at::Tensor x_BS = kMean + kDeviation * at::randn({count, 1}, at::kDouble);
  const at::Tensor epsilon_BS = at::randn({count, 1}, at::kDouble);
  for (int64_t step = 0; step < steps; ++step) {
    const StudentTarget target =
        progressive_target(teacher, NoiseSchedule(), x_BS, epsilon_BS,
                           at::full({count}, step, at::kLong), steps, {}, context);
    const at::Tensor v_BS = prediction_of(Prediction::kV, target.parts, target.level);
    at::Tensor weights = at::zeros({2}, at::kDouble).requires_grad_(true);
    const auto student = [&] { return target.z_BS * weights[0] + weights[1]; };
    for (int i = 0; i < 400; ++i) {
      loss(Prediction::kV, {}, student(), v_BS, target.logsnr_B).mean().backward();
      const at::NoGradGuard no_gradients;
      weights.sub_(weights.mutable_grad() * 0.4);
      weights.mutable_grad().zero_();
    }
    CHECK((student() - v_BS).abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("guidance: weights of all forms, in closed form and in all terms") {
  // x | c ~ N(m_c, s^2) with m_c ~ N(m, tau^2): without c, x ~ N(m, s^2 + tau^2).
  const double tau = 0.4, shared = 0.1, own = 0.6, weight = 2.5;
  const double wide = std::sqrt(kDeviation * kDeviation + tau * tau);
  const at::Tensor like = doubles({3, 4});
  std::vector<at::Tensor> results;
  for (const Prediction kind : {Prediction::kX, Prediction::kEpsilon, Prediction::kV}) {
    FunctionDenoiser given = gaussian_denoiser(own, kDeviation, kind);
    FunctionDenoiser without = gaussian_denoiser(shared, wide, kind);
    FunctionDenoiser network(kind, [&](const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                                       const NamedTensors& conditions) {
      JobContext context;
      const at::Tensor is_given_B1 = *find_tensor(conditions, "given");
      return at::where(is_given_B1, given.predict(z_BS, logsnr_B, {}, context),
                       without.predict(z_BS, logsnr_B, {}, context));
    });
    const Conditions conditions{{{"given", at::ones({3, 1}, at::kBool)}},
                                {{"given", at::zeros({3, 1}, at::kBool)}}};
    SamplerOptions options = plain(Kind::kDdim, 6);
    options.guidance.weight = weight;
    for (const auto passes : {Guidance::Passes::kTogether, Guidance::Passes::kApart}) {
      options.guidance.passes = passes;
      network.calls = 0;
      results.push_back(samples(network, options, like, conditions));
      CHECK(network.calls == (passes == Guidance::Passes::kTogether ? 6 : 12));
    }
    // One step by hand: x of the two means, (1 + w) and -w.
    const double t = 0.7;
    const at::Tensor z = at::randn({3, 4}, at::kDouble);
    const at::Tensor logsnr_B = at::full({3}, t, at::kDouble);
    const double alpha = alpha_of(t), sigma2 = sigma_of(t) * sigma_of(t);
    const auto x_by_hand = [&](double mean, double deviation) {
      const double c2 = deviation * deviation;
      return mean + alpha * c2 / (alpha * alpha * c2 + sigma2) * (z - alpha * mean);
    };
    JobContext context;
    const at::Tensor predicted =
        predict_guided(network, z, logsnr_B, conditions, options.guidance, weight, context);
    const at::Tensor want =
        (1 + weight) * x_by_hand(own, kDeviation) - weight * x_by_hand(shared, wide);
    CHECK((x_of(kind, z, predicted, Level::all(t)) - want).abs().max().item<double>() < 1e-12);
    // What a student with an input for the weight is to say.
    const at::Tensor weight_B = at::tensor({0.0, weight, 1.0}, at::kDouble);
    const at::Tensor taught = guidance_target(network, z, logsnr_B, conditions, weight_B, context);
    CHECK((taught[1] - predicted[1]).abs().max().item<double>() < 1e-12);
    CHECK(at::equal(taught[0], network.predict(z, logsnr_B, conditions.given, context)[0]));
    // Without a weight it is the conditional one, bit for bit.
    options.guidance.weight = 0;
    CHECK(at::equal(samples(network, options, like, conditions),
                    samples(network, options, like, {conditions.given})));
  }
  for (const at::Tensor& one : results) {
    CHECK((one - results.front()).abs().max().item<double>() < 1e-5);
  }
}

TEST_CASE("guidance: a distilled network is told the weight of each step") {
  std::vector<double> told;
  FunctionDenoiser network(Prediction::kV, [&](const at::Tensor& z_BS, const at::Tensor&,
                                               const NamedTensors& conditions) {
    told.push_back(find_tensor(conditions, Guidance::kWeightInput)->operator[](0).item<double>());
    return at::zeros_like(z_BS);
  });
  SamplerOptions options = plain(Kind::kStochastic, 8);
  options.guidance =
      Guidance::from_json(Json::parse(R"({"weight": 15, "low": 1, "passes": "one"})"));
  samples(network, options, doubles({1, 2}));
  CHECK(told == std::vector<double>{15, 1, 15, 1, 15, 1, 15, 1});
  const Guidance guidance = options.guidance;
  for (int64_t step = 0; step < 256; ++step) {
    const bool high = step < 26 || (step - 26) % 2 == 1;
    CHECK(guidance.at(step, 256) == (high ? 15 : 1));
  }
  CHECK(Guidance::from_json(Json::parse(R"({"scale": 7})")).weight == 6);
  CHECK(Guidance::from_json(Json(6.0)).at(3, 8) == 6);
}

TEST_CASE("a seed decides on a sample, whatever else is in the batch") {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  for (const Kind kind : {Kind::kDdim, Kind::kAncestral, Kind::kStochastic}) {
    const at::Tensor all = samples(network, plain(kind, 5), doubles({4, 3, 2}), {}, 9);
    JobContext context;
    const SampleRequest third{doubles({1, 3, 2}), {}, NoiseStreams({{11, 2}})};
    const at::Tensor alone = sample(network, NoiseSchedule(), plain(kind, 5), third, context);
    CHECK(at::equal(alone[0], all[2]));
    CHECK(at::equal(samples(network, plain(kind, 5), doubles({4, 3, 2}), {}, 9), all));
    CHECK_FALSE(at::equal(samples(network, plain(kind, 5), doubles({4, 3, 2}), {}, 10), all));
  }
}

TEST_CASE("known parts stay what they are, and reconstruction fits the rest to them") {
  // Pairs of numbers with correlation r: the best network is a matrix, and given the first one the
  // second is r times it on average.
  const double r = 0.95;
  const at::Tensor covariance = at::tensor({1.0, r, r, 1.0}, at::kDouble).view({2, 2});
  FunctionDenoiser network(
      Prediction::kX, [&](const at::Tensor& z_BS, const at::Tensor& logsnr_B, const NamedTensors&) {
        const Level level = Level::all(logsnr_B[0].item<double>());
        const at::Tensor of_z =
            level.alpha.square() * covariance + level.sigma.square() * at::eye(2, at::kDouble);
        return level.alpha * at::matmul(z_BS, at::linalg_inv(of_z)).matmul(covariance);
      });
  const at::Tensor values = at::tensor({1.5, 0.0}, at::kDouble).expand({2000, 2}).contiguous();
  const at::Tensor mask = at::tensor({1, 0}, at::kLong).to(at::kBool).unsqueeze(0);
  const auto rest = [&](Known::Method method, double weight, int64_t repeats) {
    Known known{values, mask, method, weight, repeats};
    const SampleRequest request{values, {}, streams_of(2000), known};
    JobContext context;
    const at::Tensor x =
        sample(network, NoiseSchedule(), plain(Kind::kAncestral, 32), request, context);
    CHECK(at::equal(x.select(1, 0), values.select(1, 0)));
    return std::abs(x.select(1, 1).mean().item<double>() - r * 1.5);
  };
  const double replaced = rest(Known::Method::kReplacement, 0, 1);
  const double repeated = rest(Known::Method::kReplacement, 0, 5);
  const double weak = rest(Known::Method::kReconstruction, 0.2, 1);
  const double strong = rest(Known::Method::kReconstruction, 1, 1);
  CHECK(repeated < replaced);
  CHECK(strong < weak);
  CHECK(strong < replaced);
}

TEST_CASE("runs are polled, tell their progress and show what they see") {
  class Watching final : public JobContext {
   public:
    void checkpoint() override {
      if (++polls > limit) throw Error(ErrorCode::kCancelled, "cancelled");
    }
    void progress(const Progress& progress) override { told.push_back(progress); }
    void emit(NamedTensors item) override { items.push_back(std::move(item)); }

    int polls = 0, limit = 1000;
    std::vector<Progress> told;
    std::vector<NamedTensors> items;
  };
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  SamplerOptions options = plain(Kind::kAncestral, 6);
  options.preview_every = 2;
  options.corrections = 1;
  SampleRequest request{doubles({2, 3}), {}, streams_of(2)};
  request.phase = "base";
  Watching context;
  const at::Tensor x = sample(network, NoiseSchedule(), options, request, context);
  CHECK(context.polls == 11);
  CHECK(network.calls == 11);
  REQUIRE(context.told.size() == 11);
  for (size_t i = 0; i < context.told.size(); ++i) {
    CHECK(context.told[i].done == static_cast<double>(i + 1));
    CHECK(context.told[i].total == 11);
    CHECK(context.told[i].phase == "base");
  }
  REQUIRE(context.items.size() == 3);
  CHECK(get(context.items[1], "step").item<int64_t>() == 4);
  CHECK(at::equal(get(context.items[2], "preview"), x));
  Watching short_one;
  short_one.limit = 4;
  CHECK_THROWS_AS(sample(network, NoiseSchedule(), options, request, short_one), Error);
  CHECK(short_one.told.size() == 4);
}

TEST_CASE("what does not fit together is refused, and networks that say nothing are told of") {
  FunctionDenoiser network = gaussian_denoiser(kMean, kDeviation);
  JobContext context;
  const auto refused = [&](const SampleRequest& request, const SamplerOptions& options,
                           ErrorCode code, const char* words, Denoiser* other = nullptr) {
    CAPTURE(words);
    try {
      sample(other ? *other : network, NoiseSchedule(), options, request, context);
      FAIL("not refused");
    } catch (const Error& error) {
      CHECK(error.code() == code);
      CHECK(std::string(error.what()).find(words) != std::string::npos);
    }
  };
  const SamplerOptions options = plain(Kind::kDdim, 4);
  const at::Tensor like = doubles({2, 3});
  refused({at::empty({2, 3}, at::kLong), {}, streams_of(2)}, options, ErrorCode::kShape, "float32");
  refused({like, {}, streams_of(3)}, options, ErrorCode::kBadInput, "a seed for each of 2");
  SamplerOptions guided_options = options;
  guided_options.guidance.weight = 2;
  refused({like, {}, streams_of(2)}, guided_options, ErrorCode::kBadInput, "led away from");
  SamplerOptions late = options;
  late.skip = 1;
  refused({like, {}, streams_of(2)}, late, ErrorCode::kShape, "what to start from");
  refused({like, {}, streams_of(2), Known{doubles({2, 2}), at::ones({1}, at::kBool)}}, options,
          ErrorCode::kShape, "the known values");
  refused({like, {}, streams_of(2), Known{like, at::ones({1})}}, options, ErrorCode::kDtype,
          "bool");
  FunctionDenoiser broken(Prediction::kV, [](const at::Tensor& z_BS, const at::Tensor&,
                                             const NamedTensors&) { return z_BS / 0 * 0; });
  refused({like, {}, streams_of(2)}, options, ErrorCode::kDiverged, "step 1 of 4", &broken);
  for (const auto& [json, name] :
       {std::pair{R"({"kind": "euler"})", "sampler.kind"},
        {R"({"steps": 0})", "sampler.steps"},
        {R"({"steps": 4, "skip": 4})", "sampler.skip"},
        {R"({"gamma": 1.5})", "sampler.gamma"},
        {R"({"guidance": -1})", "guidance.weight"},
        {R"({"guidance": {"scale": 2, "weight": 1}})", "guidance.weight"},
        {R"({"guidance": {"lead": 2}})", "guidance.lead"},
        {R"({"threshold": "soft"})", "threshold"},
        {R"({"threshold": {"percentile": 99.5}})", "threshold.percentile"},
        {R"({"delta": 0})", "sampler.delta"}}) {
    CAPTURE(json);
    CHECK_THROWS_WITH_AS(SamplerOptions::from_json(Json::parse(json)), doctest::Contains(name),
                         Error);
  }
}
