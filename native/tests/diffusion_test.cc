// The mathematics of diffusion against NumPy (scripts/oracles/diffusion.py), in float64.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <filesystem>

#include "diffusion/augmentation.h"
#include "diffusion/distillation.h"
#include "diffusion/loss.h"
#include "diffusion/steps.h"
#include "io/tensor_file.h"
#include "runtime/error.h"
#include "tests/diffusion_support.h"
#include "tests/model_support.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace torchsight::diffusion;

namespace {

constexpr double kClose = 1e-10;

std::filesystem::path fixture(const std::string& name) {
  return fixtures() / "diffusion" / (name + ".safetensors");
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

NoiseSchedule schedule_of(const std::string& json) {
  const Json parsed = Json::parse(json);
  return NoiseSchedule::from_json(ConfigReader(parsed, "schedule."));
}

LossOptions loss_of(const std::string& weight) {
  const Json parsed = Json::parse(R"({"weight": ")" + weight + R"("})");
  return LossOptions::from_json(ConfigReader(parsed));
}

const std::vector<std::pair<std::string, Prediction>> kKinds{
    {"x", Prediction::kX}, {"epsilon", Prediction::kEpsilon}, {"v", Prediction::kV}};

// The oracle's network.
FunctionDenoiser tanh_denoiser() {
  return {Prediction::kV,
          [](const at::Tensor& z_BS, const at::Tensor& logsnr_B, const NamedTensors& conditions) {
            const at::Tensor logsnr = Level::each(logsnr_B, z_BS).logsnr;
            return at::tanh(z_BS + *find_tensor(conditions, "c")) - logsnr * 0.05;
          }};
}

}  // namespace

TEST_CASE("diffusion: schedules are the oracle's, and their inverses lead back") {
  const NamedTensors expected = read_tensors(fixture("schedules"));
  for (const auto& [name, json, times] :
       {std::tuple{"cosine", "{}", "times"},
        {"narrow", R"({"logsnr_min": -10, "logsnr_max": 12})", "times"},
        {"shifted", R"({"logsnr_shift": -2.772588722239781})", "times"},
        {"offset_cosine", R"({"kind": "offset_cosine"})", "inner"},
        {"linear", R"({"kind": "linear"})", "times"}}) {
    CAPTURE(name);
    const NoiseSchedule schedule = schedule_of(json);
    const at::Tensor times_K = get(expected, times);
    const at::Tensor logsnr_K = schedule.logsnr(times_K);
    CHECK(distance(logsnr_K, get(expected, std::string("logsnr.") + name)) < kClose);
    for (int64_t k = 0; k < times_K.numel(); ++k) {
      const double t = times_K[k].item<double>();
      const double back = schedule.time(logsnr_K[k].item<double>());
      // All times before the offset cosine's bound have one level.
      const bool bounded = std::string(name) == "offset_cosine" && t < 0.001;
      if (!bounded) CHECK(std::abs(back - t) < 1e-8);
    }
    CHECK(schedule.time(1e3) == 0);
    CHECK(schedule.time(-1e3) == 1);
  }
}

TEST_CASE("diffusion: levels have the published values and fall with time") {
  const NoiseSchedule cosine;
  CHECK(cosine.logsnr(0.25) == doctest::Approx(1.762618766561).epsilon(1e-12));
  CHECK(std::abs(cosine.logsnr(0.5)) < 1e-12);
  CHECK(cosine.logsnr(0.75) == doctest::Approx(-1.762618766561).epsilon(1e-12));
  CHECK(alpha_of(cosine.logsnr(0.25)) == doctest::Approx(0.923870845373).epsilon(1e-12));
  CHECK(sigma_of(cosine.logsnr(0.25)) == doctest::Approx(0.382704404299).epsilon(1e-12));
  CHECK(alpha_of(cosine.logsnr(1)) == doctest::Approx(4.53999e-5).epsilon(1e-5));
  CHECK(std::abs(cosine.logsnr(0) - 20) < kClose);
  CHECK(std::abs(cosine.logsnr(1) + 20) < kClose);
  const NoiseSchedule offset = schedule_of(R"({"kind": "offset_cosine"})");
  CHECK(std::abs(offset.logsnr(0.25) - 1.71034) < 5e-6);
  CHECK(std::abs(offset.logsnr(0.5) + 0.02493) < 5e-6);
  for (const NoiseSchedule& one : {cosine, offset, schedule_of(R"({"kind": "linear"})")}) {
    for (int t = 1; t <= 200; ++t) CHECK(one.logsnr(t / 200.0) <= one.logsnr((t - 1) / 200.0));
    CHECK((std::isfinite(one.logsnr(0)) && std::isfinite(one.logsnr(1))));
  }
  // Squares that add up to 1 and a ratio that is not lost at either end.
  for (const double logsnr : {-60.0, -20.0, -0.1, 0.0, 3.0, 60.0}) {
    const double a = alpha_of(logsnr), s = sigma_of(logsnr);
    CHECK(std::abs(a * a + s * s - 1) < 1e-15);
    CHECK(2 * std::log(a / s) == doctest::Approx(logsnr).epsilon(1e-13));
  }
}

TEST_CASE("diffusion: predictions are the oracle's in all terms, and lead back to x and epsilon") {
  const NamedTensors expected = read_tensors(fixture("predictions"));
  const at::Tensor z_BS = get(expected, "z"), logsnr_B = get(expected, "logsnr");
  const Denoised parts{get(expected, "x"), get(expected, "epsilon")};
  const Level level = Level::each(logsnr_B, z_BS);
  CHECK(distance(noised(parts.x_BS, parts.epsilon_BS, level), z_BS) < kClose);
  CHECK(distance(prediction_of(Prediction::kV, parts, level), get(expected, "v")) < kClose);
  for (const auto& [name, kind] : kKinds) {
    CAPTURE(name);
    const at::Tensor predicted_BS = prediction_of(kind, parts, level);
    const Denoised back = denoised(kind, z_BS, predicted_BS, level);
    CHECK(distance(back.x_BS, parts.x_BS) < kClose);
    CHECK(distance(back.epsilon_BS, parts.epsilon_BS) < kClose);
    CHECK(distance(x_of(kind, z_BS, predicted_BS, level), parts.x_BS) < kClose);
  }
}

TEST_CASE("diffusion: v is inverted to the last digits at all levels, in both dtypes") {
  for (const auto& [dtype, most] : {std::pair{at::kDouble, 2e-15}, {at::kFloat, 1e-6}}) {
    const at::Tensor x_BS = at::randn({21, 400}, dtype), epsilon_BS = at::randn({21, 400}, dtype);
    const at::Tensor logsnr_B = NoiseSchedule().logsnr(at::linspace(0, 1, 21, at::kDouble));
    const Level level = Level::each(logsnr_B, x_BS);
    const at::Tensor z_BS = noised(x_BS, epsilon_BS, level);
    const at::Tensor v_BS = prediction_of(Prediction::kV, {x_BS, epsilon_BS}, level);
    const Denoised back = denoised(Prediction::kV, z_BS, v_BS, level);
    CHECK((back.x_BS.scalar_type() == dtype));
    CHECK(distance(back.x_BS, x_BS) < most);
    CHECK(distance(back.epsilon_BS, epsilon_BS) < most);
  }
}

TEST_CASE("diffusion: losses weigh by the level alike, whatever the network says") {
  const NamedTensors expected = read_tensors(fixture("predictions"));
  const at::Tensor z_BS = get(expected, "z"), logsnr_B = get(expected, "logsnr");
  const Denoised parts{get(expected, "x"), get(expected, "epsilon")};
  const Level level = Level::each(logsnr_B, z_BS);
  const at::Tensor wrong_BS = parts.x_BS + level.sigma * 0.3;
  const Denoised guess{wrong_BS, epsilon_beside(z_BS, wrong_BS, level)};
  for (const char* weight : {"v", "epsilon", "truncated", "min_snr"}) {
    CAPTURE(weight);
    const LossOptions options = loss_of(weight);
    const auto factor = [&](const std::string& kind) {
      return get(expected, std::string("factor.") + weight + "." + kind);
    };
    const at::Tensor error_B = (wrong_BS - parts.x_BS).square().mean(1) * factor("x");
    for (const auto& [name, kind] : kKinds) {
      CAPTURE(name);
      const at::Tensor ratio_B = loss_factor(kind, options, logsnr_B) / factor(name);
      CHECK(distance(ratio_B, at::ones_like(ratio_B)) < kClose);
      const at::Tensor loss_B = loss(kind, options, prediction_of(kind, guess, level),
                                     prediction_of(kind, parts, level), logsnr_B);
      CHECK(((loss_B - error_B).abs() / error_B).max().item<double>() < 1e-6);
    }
  }
}

TEST_CASE("diffusion: single steps are the oracle's") {
  const NamedTensors expected = read_tensors(fixture("steps"));
  const at::Tensor z = get(expected, "z"), noise = get(expected, "noise");
  const Denoised parts{get(expected, "x"), get(expected, "epsilon")};
  CHECK(distance(ddim_step(parts, 1.5), get(expected, "ddim")) < kClose);
  CHECK(distance(renoised(z, 1.5, -0.5, noise), get(expected, "renoised")) < kClose);
  CHECK(distance(langevin_step(z, parts.epsilon_BS, 0.5, 0.1, noise), get(expected, "langevin")) <
        kClose);
  for (const auto& [gamma, name] : {std::pair{0.0, "0.0"}, {0.3, "0.3"}, {1.0, "1.0"}}) {
    const at::Tensor step = ancestral_step(z, parts.x_BS, -0.5, 1.5, gamma, noise);
    CHECK(distance(step, get(expected, std::string("ancestral.") + name)) < kClose);
  }
}

TEST_CASE("diffusion: thresholds are the oracle's, in each sample by itself") {
  const NamedTensors expected = read_tensors(fixture("thresholds"));
  const at::Tensor x_BS = get(expected, "x");
  for (const char* percentile : {"0.5", "0.95", "0.995", "1.0"}) {
    CAPTURE(percentile);
    const Threshold threshold =
        Threshold::from_json(Json::parse(std::string(R"({"percentile": )") + percentile + "}"));
    const at::Tensor want_BS = get(expected, std::string("dynamic.") + percentile);
    CHECK(distance(threshold(x_BS), want_BS) < kClose);
    CHECK(threshold(x_BS).abs().max().item<double>() <= 1);
    CHECK(distance(threshold(x_BS.narrow(0, 1, 1)), want_BS.narrow(0, 1, 1)) < kClose);
    CHECK(distance(threshold(x_BS.to(at::kFloat)), want_BS) < 1e-6);
  }
  const Threshold bounded = Threshold::from_json(Json::parse(R"({"percentile":0.9,"most":1.5})"));
  CHECK(distance(bounded(x_BS), get(expected, "bounded")) < kClose);
  CHECK(Threshold{Threshold::Kind::kNone}(x_BS).is_same(x_BS));
  CHECK(distance(Threshold()(x_BS), x_BS.clamp(-1, 1)) == 0);
}

TEST_CASE("diffusion: quantiles of rows too long for torch.quantile") {
  const int64_t length = (int64_t{1} << 24) + 3;
  const at::Tensor rows_BN = at::arange(length, at::kFloat).flip(0).unsqueeze(0);
  const double expected = 0.995 * static_cast<double>(length - 1);
  CHECK(std::abs(row_quantile(rows_BN, 0.995).item<double>() - expected) <= 1);
}

TEST_CASE("diffusion: random numbers are Philox's, of each sample by itself") {
  const NamedTensors expected = read_tensors(fixture("noise"));
  for (const auto& [name, want] : expected) {
    std::stringstream parts(name);
    std::string kind;
    int64_t seed = 0, number = 0, draw = 0;
    char dot = 0;
    std::getline(parts, kind, '.');
    if (kind != "normal" && kind != "uniform") continue;
    parts >> seed >> dot >> number >> dot >> draw;
    CAPTURE(name);
    const NoiseStreams streams({{1, 2}, {seed, number}});
    if (kind == "uniform") {
      CHECK(streams.uniform(draw)[1].item<double>() == want.item<double>());
      continue;
    }
    const at::Tensor drawn_BS = streams.normal(at::empty({2, 5, 2}, at::kDouble), draw);
    CHECK(distance(drawn_BS[1].flatten(), want) < 1e-14);
    const at::Tensor narrow_BS = streams.normal(at::empty({2, 10}, at::kBFloat16), draw);
    CHECK(distance(narrow_BS[1], want.to(at::kFloat).to(at::kBFloat16)) == 0);
  }
  // Moments of many, whatever the number of threads.
  const at::Tensor many = streams_of(2).normal(at::empty({2, 1'000'001}), 0);
  CHECK(std::abs(many.mean().item<double>()) < 3e-3);
  CHECK(std::abs(many.square().mean().item<double>() - 1) < 5e-3);
  CHECK(std::abs(many.pow(4).mean().item<double>() - 3) < 0.03);
  CHECK(std::abs((many[0] * many[1]).mean().item<double>()) < 4e-3);
}

TEST_CASE("diffusion: augmentation is the oracle's, with the levels that are published") {
  const NamedTensors expected = read_tensors(fixture("noise"));
  const at::Tensor c_BS = get(expected, "c").unsqueeze(0);
  const NoiseStreams streams({{7, 3}});
  const NoiseSchedule cosine;
  for (const auto& [snr, logsnr, u] :
       {std::tuple{3, 1.098612, 0.333324}, {5, 1.609438, 0.267707}}) {
    const Augmented made = augmented_at(c_BS, snr, streams, 11);
    const at::Tensor want = get(expected, "augmented." + std::to_string(snr));
    CHECK(distance(made.c_BS[0], want) < kClose);
    CHECK(std::abs(made.logsnr_B[0].item<double>() - logsnr) < 1e-6);
    CHECK(std::abs(cosine.time(made.logsnr_B[0].item<double>()) - u) < 1e-6);
  }
  CHECK_THROWS_WITH_AS(augmented_at(c_BS, 0, streams, 0), doctest::Contains("above 0"), Error);
  // In training each sample has a level of its own.
  const at::Tensor many_BS = at::zeros({4000, 3}, at::kDouble);
  const Augmented random = augmented_at_random(many_BS, cosine, streams_of(4000), 0);
  const at::Tensor times_B = streams_of(4000).uniform(0);
  CHECK(distance(random.logsnr_B, cosine.logsnr(times_B)) == 0);
  CHECK(std::abs(times_B.mean().item<double>() - 0.5) < 0.02);
  const at::Tensor sigma_B = at::sigmoid(-random.logsnr_B).sqrt();
  CHECK(std::abs((random.c_BS / sigma_B.unsqueeze(1)).square().mean().item<double>() - 1) < 0.05);
}

TEST_CASE("diffusion: targets of progressive distillation are the oracle's") {
  const NamedTensors expected = read_tensors(fixture("targets"));
  const at::Tensor x_BS = get(expected, "x"), epsilon_BS = get(expected, "epsilon");
  const int64_t steps = x_BS.size(0);
  FunctionDenoiser teacher = tanh_denoiser();
  JobContext context;
  const NamedTensors conditions{{"c", at::full({steps, 1, 1}, 0.2, at::kDouble)}};
  const StudentTarget target = progressive_target(teacher, NoiseSchedule(), x_BS, epsilon_BS,
                                                  at::arange(steps), steps, conditions, context);
  CHECK(distance(target.z_BS, get(expected, "z")) < kClose);
  CHECK(distance(target.parts.x_BS, get(expected, "target.x")) < kClose);
  CHECK(distance(target.parts.epsilon_BS, get(expected, "target.epsilon")) < kClose);
  const at::Tensor v_BS = prediction_of(Prediction::kV, target.parts, target.level);
  CHECK(distance(v_BS, get(expected, "target.v")) < kClose);
  CHECK(teacher.calls == 2);
  CHECK_THROWS_AS(progressive_target(teacher, NoiseSchedule(), x_BS, epsilon_BS,
                                     at::arange(steps) + 1, steps, conditions, context),
                  Error);
}

TEST_CASE("diffusion: whole runs of all samplers are the oracle's") {
  const NamedTensors expected = read_tensors(fixture("runs"));
  const Json runs =
      Json::parse(open_tensor_file(fixture("runs"))->metadata().at("options").as_string());
  const at::Tensor c = get(expected, "c"), start_BS = get(expected, "start");
  FunctionDenoiser network = tanh_denoiser();
  for (const auto& [name, options] : runs.as_object()) {
    CAPTURE(name);
    std::vector<NoiseStreams::Stream> streams;
    for (int64_t b = 0; b < c.size(0); ++b) streams.push_back({5 + b, b});
    const SampleRequest request{start_BS,
                                {{{"c", c}}, {{"c", get(expected, "without")}}},
                                NoiseStreams(streams),
                                std::nullopt,
                                start_BS};
    JobContext context;
    const SamplerOptions parsed = SamplerOptions::from_json(options);
    network.calls = 0;
    const at::Tensor x_BS = sample(network, NoiseSchedule(), parsed, request, context);
    CHECK(distance(x_BS, get(expected, name)) < kClose);
    CHECK(network.calls == parsed.evaluations());
  }
}

TEST_CASE("diffusion: reconstruction moves what is not known by the oracle's gradient") {
  const NamedTensors expected = read_tensors(fixture("known"));
  const at::Tensor matrix = get(expected, "matrix"), z_BS = get(expected, "z");
  Known known{get(expected, "values"), get(expected, "mask").to(at::kBool)};
  known.weight = 1.7;
  const auto x_of_z = [&](const at::Tensor& z) {
    return at::matmul(z, matrix.t()) + get(expected, "offset");
  };
  const at::Tensor x_BS = known.reconstructed(z_BS, Level::all(0.4), x_of_z);
  CHECK(distance(x_BS, get(expected, "reconstructed")) < kClose);
  CHECK_FALSE(x_BS.requires_grad());
}
