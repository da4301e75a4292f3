// Training of the stages of Imagen Video: derivatives, what is drawn, small videos, students.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "diffusion/prediction.h"
#include "models/imagen_video/training.h"
#include "models/imagen_video/training_batch.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "tests/training_support.h"

using namespace torchsight;
using namespace torchsight::test;
using imagen_video::Stage;

namespace {

Json stage_config(const std::string& changes = "{}") {
  Json config = Json::parse(R"({"model_type":"imagen_video_unet","dim":8,"dim_mults":[1,2],
      "blocks":[1,1],"self_attention":[0,1],"text_attention":[0,1],"temporal":"both",
      "text_width":6,"context_width":8,"head_dim":4,"norm_groups":4,"frame_buckets":8,
      "frame_distance":16})");
  const Json parsed = Json::parse(changes);
  for (const auto& [name, value] : parsed.as_object()) config.set(name, value);
  return config;
}

constexpr const char* kSpace = R"({"low_res_channels":3,"kind":"efficient"})";
constexpr const char* kBlank = R"({"low_res_channels":4,"temporal":"convolution"})";

// What the trainer is told of the small videos of these stages.
std::string low_res_of(const std::string& changes) {
  if (changes == kSpace) return R"("low_res":{"kind":"space"})";
  if (changes == kBlank) return R"("low_res":{"kind":"time","fill":"blank"})";
  return R"("prediction":"v")";
}

NamedTensors clips(int64_t count, at::ScalarType dtype = at::kFloat) {
  const int64_t frames = 4, side = 4;
  const at::Tensor video =
      at::sin(at::arange(count * frames * side * side * 3, at::kDouble).mul(0.37));
  const at::Tensor text = at::cos(at::arange(count * 3 * 6, at::kDouble).mul(1.1));
  return {{"video", video.view({count, frames, side, side, 3}).to(dtype)},
          {"text", text.view({count, 3, 6}).to(dtype)},
          {"text_mask", at::tensor({1, 1, 0}, at::kLong).expand({count, 3})}};
}

NamedTensors with(NamedTensors batch, const std::string& name, const at::Tensor& tensor) {
  batch.emplace_back(name, tensor);
  return batch;
}

std::unique_ptr<Module> stage_of(const std::string& changes = "{}",
                                 const ModuleOptions& options = {}) {
  return random_model(stage_config(changes), options);
}

Stage& as_stage(Module& module) {
  return dynamic_cast<Stage&>(module);
}

double evaluated(Module& module, const std::string& options, const NamedTensors& batch) {
  return loss_of(run(*trainer_of(module, options), "evaluate", batch));
}

at::Tensor streams(std::vector<int64_t> numbers) {
  return at::tensor(numbers, at::kLong);
}

at::Tensor flags(std::vector<int64_t> values) {
  return at::tensor(values, at::kLong).ne(0);
}

}  // namespace

TEST_CASE("video training: derivatives of every weight, as finite differences have them") {
  for (const std::string changes : {"{}", kSpace, kBlank}) {
    for (const bool recompute : {false, true}) {
      CAPTURE(changes);
      CAPTURE(recompute);
      ModuleOptions options;
      options.dtype = at::kDouble;
      const auto module = stage_of(changes, options);
      const Json told =
          Json::parse(R"({"diffusion":{"text_dropout":0.5,)" + low_res_of(changes) + "}}");
      const auto objective = imagen_video::objective_of_stage(as_stage(*module), told);
      const std::vector<Weight> weights = weights_to_train(*module, {});
      const NamedTensors batch = with(clips(3, at::kDouble), "is_image", flags({0, 1, 0}));
      const auto value = [&] {
        Call call;
        call.inputs = batch;
        call.options = Json::Object{};
        call.recompute = recompute;
        JobContext context;
        return (*objective)(call, context).total;
      };
      {
        const at::AutoGradMode enabled(true);
        value().backward();
      }
      check_gradients(weights, value);
    }
  }
}

TEST_CASE("video training: recomputed blocks, averages and products in bfloat16 go together") {
  for (const std::string changes : {"{}", kSpace}) {
    for (const std::string more : {"", R"("autocast":"bfloat16","ema":0.9,)"}) {
      CAPTURE(changes);
      CAPTURE(more);
      std::vector<std::vector<at::Tensor>> ends;
      for (const char* recompute : {"false", "true"}) {
        const auto module = stage_of(changes);
        const auto trainer = trainer_of(
            *module, "{" + more + R"("recompute":)" + recompute +
                         R"(,"optimizer":{"kind":"sgd"},"schedule":{"peak":0.1},"diffusion":{)" +
                         low_res_of(changes) + "}}");
        for (int i = 0; i < 3; ++i) run(*trainer, "step", clips(4));
        ends.push_back(values_of(*module));
      }
      // In bfloat16 the order in which gradients of one tensor are added decides on their last
      // bits.
      const double moved = distance(ends[0], values_of(*stage_of(changes)));
      CHECK(distance(ends[0], ends[1]) < (more.empty() ? 1e-5 : 0.1 * moved));
      CHECK(moved > 1e-3);
    }
  }
}

TEST_CASE("video training: recomputed blocks take less memory") {
  install_allocator();
  const auto peak = [](const char* recompute) {
    const auto module = stage_of(R"({"blocks":[4,4]})");
    const auto trainer = trainer_of(*module, std::string(R"({"optimizer":{"kind":"sgd",
        "momentum":0},"recompute":)") + recompute +
                                                 "}");
    const at::Tensor video = at::zeros({4, 8, 16, 16, 3}, at::kByte);
    const auto meter = std::make_shared<MemoryMeter>();
    const MeterScope scope(meter);
    run(*trainer, "step", {{"video", video}});
    return meter->peak();
  };
  const int64_t plain = peak("false"), again = peak("true");
  MESSAGE("peak of a step: ", plain, " bytes, recomputed ", again);
  CHECK(again < plain / 2);
}

TEST_CASE("video training: a run that is taken up again goes on to the same bits") {
  const std::string options = R"({"schedule":{"peak":0.01},"ema":0.9,"accumulate":2,
      "diffusion":{"seed":3}})";
  const auto whole = stage_of();
  const auto trainer = trainer_of(*whole, options);
  std::vector<double> losses;
  for (int i = 0; i < 4; ++i) losses.push_back(loss_of(run(*trainer, "step", clips(4))));
  CHECK(losses[0] != losses[1]);

  const auto first = stage_of();
  const auto begun = trainer_of(*first, options);
  for (int i = 0; i < 2; ++i) run(*begun, "step", clips(4));
  const auto second = stage_of();
  {
    const at::NoGradGuard no_grad;
    const auto from = first->parameters();
    auto to = second->parameters();
    for (size_t i = 0; i < to.size(); ++i) to[i].tensor.copy_(from[i].tensor);
  }
  const auto resumed = trainer_of(*second, options);
  resumed->restore(begun->snapshot());
  for (int i = 2; i < 4; ++i) CHECK(loss_of(run(*resumed, "step", clips(4))) == losses[i]);
  CHECK(same(values_of(*whole), values_of(*second)));
}

TEST_CASE("video training: a sample's loss is its own, whatever else is in the batch") {
  const auto module = stage_of();
  const NamedTensors both =
      with(with(clips(2), "is_image", flags({0, 1})), "stream", streams({5, 9}));
  std::vector<double> apart;
  for (int64_t b = 0; b < 2; ++b) {
    NamedTensors one;
    for (const auto& [name, tensor] : both) one.emplace_back(name, tensor.narrow(0, b, 1));
    apart.push_back(evaluated(*module, "{}", one));
  }
  CHECK(apart[0] != apart[1]);
  CHECK(evaluated(*module, "{}", both) == doctest::Approx((apart[0] + apart[1]) / 2).epsilon(1e-5));
  // Parts of a batch draw what the whole does.
  std::vector<std::vector<at::Tensor>> ends;
  for (const char* parts : {"1", "2"}) {
    const auto trained = stage_of();
    const auto trainer = trainer_of(*trained, std::string(R"({"optimizer":{"kind":"sgd"},
        "schedule":{"peak":0.05},"accumulate":)") +
                                                  parts + "}");
    for (int i = 0; i < 2; ++i) run(*trainer, "step", clips(4));
    ends.push_back(values_of(*trained));
  }
  CHECK(distance(ends[0], ends[1]) < 1e-5);
}

TEST_CASE("video training: the loss of a network that says nothing is that of its target") {
  // The last layer of a new network is zero.
  const auto module = stage_of();
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : module->parameters()) {
      if (parameter.name.starts_with("out.conv")) parameter.tensor.zero_();
    }
  }
  const NamedTensors batch = with(clips(6), "stream", at::arange(6, at::kLong));
  Call call;
  call.inputs = batch;
  for (const auto& [name, kind] : {std::pair{"v", diffusion::Prediction::kV},
                                   {"x", diffusion::Prediction::kX},
                                   {"epsilon", diffusion::Prediction::kEpsilon}}) {
    CAPTURE(name);
    const auto options = imagen_video::BatchOptions{};
    const auto seen = imagen_video::training_batch(call, as_stage(*module).config(), options,
                                                   at::TensorOptions().dtype(at::kFloat));
    const at::Tensor logsnr =
        options.schedule.logsnr(imagen_video::uniform(seen, imagen_video::Draw::kTime));
    const auto level = diffusion::Level::each(logsnr, seen.x_BCTHW);
    const at::Tensor target = prediction_of(kind, {seen.x_BCTHW, seen.epsilon_BCTHW}, level);
    const at::Tensor mean_B = target.square().flatten(1).mean(1).to(at::kDouble);
    const at::Tensor snr_B = logsnr.exp();
    // |x' - x|^2 in terms of v, x and epsilon, times min(SNR, 5).
    const at::Tensor over_B = kind == diffusion::Prediction::kV   ? 1 / (snr_B + 1)
                              : kind == diffusion::Prediction::kX ? at::ones_like(snr_B)
                                                                  : 1 / snr_B;
    const double expected = (mean_B * over_B * snr_B.clamp_max(5)).mean().item<double>();
    const std::string told =
        std::string(R"({"diffusion":{"weight":"min_snr","prediction":")") + name + "\"}}";
    CHECK(evaluated(*module, told, batch) == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("video training: texts are left out for a share of the samples") {
  const auto module = stage_of();
  Call call;
  call.inputs = {clips(1)[0], clips(1)[1]};
  const int64_t count = 400;
  for (auto& [name, tensor] : call.inputs) {
    std::vector<int64_t> sizes(tensor.sizes().begin(), tensor.sizes().end());
    sizes[0] = count;
    tensor = tensor.expand(sizes);
  }
  imagen_video::BatchOptions options;
  options.text_dropout = 0.25;
  const auto seen = imagen_video::training_batch(call, as_stage(*module).config(), options,
                                                 at::TensorOptions().dtype(at::kFloat));
  const at::Tensor kept = get(seen.conditions.given, "text_mask").any(1);
  const auto dropped = count - kept.sum().item<int64_t>();
  CHECK(dropped > 70);
  CHECK(dropped < 130);
  CHECK_FALSE(get(seen.conditions.without, "text_mask").any().item<bool>());
  // What is dropped is as good as no text.
  NamedTensors batch = with(clips(2), "stream", streams({1, 2}));
  const double never = evaluated(*module, R"({"diffusion":{"text_dropout":1}})", batch);
  CHECK(never != evaluated(*module, R"({"diffusion":{"text_dropout":0}})", batch));
  batch = {batch[0], batch[3]};
  CHECK(never == doctest::Approx(evaluated(*module, "{}", batch)).epsilon(1e-6));
}

TEST_CASE("video training: small videos are means of pixels, or some of the frames") {
  const at::Tensor x = at::arange(2 * 3 * 4 * 4 * 4, at::kFloat).view({2, 3, 4, 4, 4});
  const auto of = [](const char* text) {
    const Json json = Json::parse(text);
    return imagen_video::Shrinking::from_json(ConfigReader(json));
  };
  const at::Tensor means = of(R"({"kind":"space"})")(x);
  CHECK(means.sizes() == at::IntArrayRef({2, 3, 4, 2, 2}));
  CHECK(at::allclose(means.select(3, 1).select(3, 0),
                     x.slice(3, 2, 4).slice(4, 0, 2).flatten(3).mean(3)));
  CHECK(at::equal(of(R"({"kind":"time"})")(x), x.slice(2, 0, 4, 2)));
  for (const char* bad : {R"({"kind":"space","factor":3})", R"({"kind":"time","factor":3})"}) {
    CAPTURE(bad);
    check_refused([&] { of(bad)(x); }, ErrorCode::kShape, "multiples of 3");
  }
}

TEST_CASE("video training: pictures of a stage in time are given as they are") {
  Call call;
  call.inputs = with(clips(2), "is_image", flags({0, 1}));
  const Json config = stage_config(kBlank);
  const Json told = Json::parse(R"({"low_res":{"kind":"time","fill":"blank"}})");
  const auto parsed = imagen_video::Config::from_json(config);
  const auto options = imagen_video::BatchOptions::from_json(ConfigReader(told), parsed, 0);
  const auto seen =
      imagen_video::training_batch(call, parsed, options, at::TensorOptions().dtype(at::kFloat));
  const at::Tensor mask = get(seen.conditions.given, "low_res").select(1, 3);
  CHECK(at::equal(mask[0].select(1, 0).select(1, 0), at::tensor({1, 0, 1, 0}, at::kFloat)));
  CHECK(mask[1].eq(1).all().item<bool>());
  // c = alpha small + sigma noise: with the noise taken off, the picture itself.
  const at::Tensor logsnr = get(seen.conditions.given, "low_res_logsnr");
  const auto level = diffusion::Level::each(logsnr, seen.x_BCTHW);
  const at::Tensor noise =
      seen.streams.normal(seen.x_BCTHW, static_cast<int64_t>(imagen_video::Draw::kLowResNoise));
  const at::Tensor small =
      (get(seen.conditions.given, "low_res").narrow(1, 0, 3) - noise * level.sigma);
  const at::Tensor expected = seen.x_BCTHW * level.alpha;
  CHECK(at::allclose(small[1], expected[1], 1e-4, 1e-5));
  CHECK(at::allclose(small[0].select(1, 2), expected[0].select(1, 2), 1e-4, 1e-5));
  CHECK(small[0].select(1, 1).abs().max().item<double>() < 1e-5);
}

TEST_CASE("video training: random parts are the same of both videos, anew in each step") {
  const Json told = Json::parse(R"({"low_res":{"kind":"space"},"crop":[4,8]})");
  const auto parsed = imagen_video::Config::from_json(stage_config(kSpace));
  const auto options = imagen_video::BatchOptions::from_json(ConfigReader(told), parsed, 0);
  // Numbered rows and columns; small videos of ramps are ramps, but at the borders.
  const at::Tensor rows = at::arange(16, at::kDouble).view({16, 1}).expand({16, 16});
  const at::Tensor video = at::stack({rows, rows.t(), rows}, 2).div(16).sub(0.5);
  Call call;
  call.inputs = {{"video", video.expand({6, 2, 16, 16, 3})}};
  const auto part = [&](int64_t stream) {
    call.stream = stream;
    return imagen_video::training_batch(call, parsed, options,
                                        at::TensorOptions().dtype(at::kDouble));
  };
  const auto seen = part(0);
  CHECK(seen.x_BCTHW.sizes() == at::IntArrayRef({6, 3, 2, 4, 8}));
  CHECK_FALSE(at::equal(seen.x_BCTHW[0], seen.x_BCTHW[1]));
  CHECK_FALSE(at::equal(seen.x_BCTHW, part(6).x_BCTHW));
  const auto level =
      diffusion::Level::each(get(seen.conditions.given, "low_res_logsnr"), seen.x_BCTHW);
  const at::Tensor noise =
      seen.streams.normal(seen.x_BCTHW, static_cast<int64_t>(imagen_video::Draw::kLowResNoise));
  const at::Tensor small =
      (get(seen.conditions.given, "low_res") - noise * level.sigma) / level.alpha;
  const at::Tensor off = (small - seen.x_BCTHW).abs();
  // Only at very noisy levels is the division by alpha coarse.
  const at::Tensor clear = get(seen.conditions.given, "low_res_logsnr").gt(-10);
  REQUIRE(clear.any().item<bool>());
  CHECK(off.index({clear}).max().item<double>() < 0.51 / 16);
  call.inputs = {{"video", at::zeros({1, 2, 2, 8, 3})}};
  check_refused([&] { part(0); }, ErrorCode::kShape, "at least 4 x 8");
}

TEST_CASE("video training: a stage learns, on bytes as well") {
  const auto module = stage_of();
  const auto trainer = trainer_of(*module, R"({"schedule":{"peak":0.005},"clip":1})");
  const at::Tensor bytes = clips(8)[0].second.add(1).mul(127.5).round().to(at::kByte);
  const NamedTensors batch{{"video", bytes}, clips(8)[1]};
  const auto held = with(batch, "stream", at::arange(100, 108));
  const double before = loss_of(run(*trainer, "evaluate", held));
  for (int i = 0; i < 60; ++i) run(*trainer, "step", batch);
  CHECK(loss_of(run(*trainer, "evaluate", held)) < 0.6 * before);
}

TEST_CASE("video training: batches and options that do not fit are refused by name") {
  const auto module = stage_of(), enlarging = stage_of(kSpace);
  const auto refused = [&](Module& of, const std::string& options, ErrorCode code,
                           const std::string& part) {
    CAPTURE(options);
    check_refused([&] { trainer_of(of, options); }, code, part);
  };
  refused(*module, R"({"loss":"sigmoid"})", ErrorCode::kBadConfig, "loss");
  refused(*module, R"({"loss":"guidance"})", ErrorCode::kBadConfig, "guidance_input");
  refused(*module, R"({"loss":"progressive"})", ErrorCode::kBadConfig, "steps");
  refused(*module, R"({"diffusion":{"text_dropout":2}})", ErrorCode::kBadConfig, "text_dropout");
  refused(*enlarging, R"({"diffusion":{"low_res":{"kind":"time","fill":"blank"}}})",
          ErrorCode::kBadConfig, "low_res");
  refused(*stage_of(R"({"guidance_input":true})"), "{}", ErrorCode::kBadConfig, "guidance_input");
  const auto trainer = trainer_of(*module);
  check_refused(
      [&] {
        run(*trainer, "step", {{"video", at::zeros({1, 4, 5, 4, 3})}});
      },
      ErrorCode::kShape, "height");
  check_refused(
      [&] {
        run(*trainer, "step", {clips(2)[0], clips(2)[2]});
      },
      ErrorCode::kBadInput, "text");
}

TEST_CASE("video distillation: students are taught by what they began as, which checkpoints keep") {
  for (const std::string options :
       {R"({"loss":"guidance","schedule":{"peak":0.01}})",
        R"({"loss":"progressive","schedule":{"peak":0.01},"diffusion":{"steps":2}})"}) {
    CAPTURE(options);
    const std::string changes = R"({"guidance_input":true})";
    const auto module = stage_of(changes);
    const auto trainer = trainer_of(*module, options);
    std::vector<double> losses;
    for (int i = 0; i < 4; ++i) losses.push_back(loss_of(run(*trainer, "step", clips(4))));

    const auto first = stage_of(changes);
    const auto begun = trainer_of(*first, options);
    for (int i = 0; i < 2; ++i) run(*begun, "step", clips(4));
    const auto second = stage_of(changes);
    {
      const at::NoGradGuard no_grad;
      const auto from = first->parameters();
      auto to = second->parameters();
      for (size_t i = 0; i < to.size(); ++i) to[i].tensor.copy_(from[i].tensor);
    }
    const auto resumed = trainer_of(*second, options);
    CHECK(losses[2] != loss_of(run(*resumed, "evaluate", clips(4))));
    resumed->restore(begun->snapshot());
    for (int i = 2; i < 4; ++i) CHECK(loss_of(run(*resumed, "step", clips(4))) == losses[i]);
  }
}

TEST_CASE("video distillation: one pass comes to say what two say with guidance") {
  const auto module = stage_of(R"({"guidance_input":true})");
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : module->parameters()) {
      // As a stage is that was trained without the weight.
      if (parameter.name.starts_with("emb.w.1")) parameter.tensor.zero_();
    }
  }
  const auto trainer = trainer_of(*module, R"({"loss":"guidance","schedule":{"peak":0.002},
      "diffusion":{"guidance_most":2}})");
  const NamedTensors held = with(clips(8), "stream", at::arange(100, 108));
  const double before = loss_of(run(*trainer, "evaluate", held));
  for (int i = 0; i < 200; ++i) run(*trainer, "step", clips(8));
  CHECK(loss_of(run(*trainer, "evaluate", held)) < 0.6 * before);
  check_refused([&] { run(*trainer, "step", {clips(2)[0]}); }, ErrorCode::kBadInput, "text");
  // Without guidance the student is the teacher.
  const auto fresh = stage_of();
  const auto student = as_stage(*fresh).copy(false);
  CHECK(same(values_of(*fresh), values_of(*student)));
}

TEST_CASE("video distillation: a student of half the steps approaches its teacher") {
  const auto module = stage_of();
  const auto trainer = trainer_of(*module, R"({"loss":"progressive","schedule":{"peak":0.002},
      "diffusion":{"steps":2}})");
  const NamedTensors held = with(clips(8), "stream", at::arange(100, 108));
  const double before = loss_of(run(*trainer, "evaluate", held));
  for (int i = 0; i < 80; ++i) run(*trainer, "step", clips(8));
  CHECK(loss_of(run(*trainer, "evaluate", held)) < 0.5 * before);
}
