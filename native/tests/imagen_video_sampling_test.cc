// From noise to video by one stage: enlarging, tiles, padding, known frames, networks that fail.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "models/imagen_video/enlarging.h"
#include "models/imagen_video/framing.h"
#include "models/imagen_video/tiling.h"
#include "tests/diffusion_support.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;
using imagen_video::Enlarging;
using imagen_video::Fill;
using imagen_video::Padding;
using imagen_video::TiledDenoiser;
using imagen_video::Tiling;

namespace {

const std::string kTiny =
    R"({"model_type": "imagen_video_unet", "dim": 8, "dim_mults": [1], "blocks": [1],
        "self_attention": [0], "text_attention": [1], "temporal": "convolution", "text_width": 6,
        "context_width": 8, "head_dim": 4, "norm_groups": 2})";

Json config_of(const std::string& changes = "{}") {
  Json config = Json::parse(kTiny);
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

Json options_of(const std::string& changes = "{}") {
  Json options = Json::parse(
      R"({"seeds": [3], "name": "base", "frames": 2, "height": 6, "width": 8,
          "sampler": {"steps": 3}})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) options.set(key, value);
  return options;
}

at::Tensor sampled(Module& module, NamedTensors inputs, Json options) {
  Call call;
  call.inputs = std::move(inputs);
  call.options = std::move(options);
  JobContext context;
  return get(module.call("sample", call, context), "video");
}

at::Tensor counted(at::IntArrayRef shape) {
  return at::arange(c10::multiply_integers(shape), at::kDouble).view(shape);
}

at::Tensor row(std::initializer_list<double> values) {
  return at::tensor(std::vector<double>(values), at::kDouble);
}

// Says of each pixel the mean of it and its neighbours.
FunctionDenoiser near_denoiser() {
  return {diffusion::Prediction::kV,
          [](const at::Tensor& z, const at::Tensor&, const NamedTensors& conditions) {
            const at::Tensor* more = find_tensor(conditions, "low_res");
            const at::Tensor x = more ? z + *more : z;
            return at::avg_pool2d(x.flatten(1, 2), {3, 3}, {1, 1}, {1, 1}).reshape_as(z);
          }};
}

}  // namespace

TEST_CASE("imagen_video: frames between repeat those before, or are blank and told by a mask") {
  const at::Tensor small = row({1, 2}).view({1, 1, 2, 1, 1});
  Enlarging enlarge{4, 1, 1};
  CHECK(at::equal(enlarge(small).flatten(), row({1, 1, 2, 2})));
  enlarge.fill = Fill::kBlank;
  CHECK(at::equal(enlarge(small).flatten(), row({1, 0, 2, 0})));
  CHECK(at::equal(enlarge.mask(small).flatten(), row({1, 0, 1, 0})));
  enlarge.frames = 2;
  CHECK(at::equal(enlarge(small), small));
  CHECK(at::equal(enlarge.mask(small).flatten(), row({1, 1})));
  enlarge.frames = 5;
  check_refused([&] { enlarge(small); }, ErrorCode::kShape, "divisor of 5 for the frames");
}

TEST_CASE("imagen_video: pixels between are bilinear, by edges or by corners") {
  const at::Tensor small = row({0, 4}).view({1, 1, 1, 1, 2});
  CHECK(at::allclose(Enlarging{1, 1, 4}(small).flatten(), row({0, 1, 3, 4})));
  Enlarging corners{1, 1, 4};
  corners.align_corners = true;
  CHECK(at::allclose(corners(small).flatten(), row({0, 4. / 3, 8. / 3, 4})));
  // Each frame of each clip by itself.
  const at::Tensor clips = counted({2, 3, 2, 2, 2});
  const at::Tensor large = Enlarging{4, 4, 6}(clips);
  CHECK(large.sizes() == at::IntArrayRef({2, 3, 4, 4, 6}));
  const at::Tensor frame = at::upsample_bilinear2d(clips.select(2, 1), {4, 6}, false);
  CHECK(at::equal(large.select(2, 2), frame));
  CHECK(at::equal(large.select(2, 3), frame));
}

TEST_CASE("imagen_video: padding mirrors, and is cropped away") {
  const Padding padding(3, 2, 4);
  CHECK(padding.height() == 4);
  CHECK(padding.width() == 4);
  const at::Tensor x = counted({1, 1, 2, 3, 2});
  CHECK(at::equal(padding.cropped(padding.padded(x)), x));
  const Padding wide(1, 5, 8);
  const at::Tensor line = row({1, 2, 3, 4, 5}).view({1, 1, 1, 1, 5});
  CHECK(at::equal(wide.padded(line).select(3, 7).flatten(), row({1, 2, 3, 4, 5, 5, 5, 5})));
  const Padding mirrored(4, 5, 8);
  const at::Tensor square = line.expand({1, 1, 1, 4, 5});
  CHECK(mirrored.padded(square).size(3) == 8);
  const Padding enough(5, 5, 8);
  const at::Tensor padded = enough.padded(line.expand({1, 1, 1, 5, 5}));
  CHECK(at::equal(padded.select(3, 0).flatten(), row({1, 2, 3, 4, 5, 4, 3, 2})));
}

TEST_CASE("imagen_video: previews are levels, shrunk to fit") {
  const at::Tensor x = row({-2, -1, 0, 1}).view({1, 1, 1, 1, 4});
  const at::Tensor levels = imagen_video::preview_of(x, 8);
  CHECK(levels.sizes() == at::IntArrayRef({1, 1, 1, 4, 1}));
  CHECK(at::equal(levels.flatten().to(at::kDouble), row({0, 0, 128, 255})));
  CHECK(imagen_video::preview_of(at::zeros({2, 3, 5, 64, 32}), 16).sizes() ==
        at::IntArrayRef({2, 5, 16, 8, 3}));
}

TEST_CASE("imagen_video: tiles say what the whole frame says where the halo covers what is seen") {
  FunctionDenoiser network = near_denoiser();
  JobContext context;
  const at::Tensor z = at::randn({2, 3, 2, 14, 20}, at::kDouble),
                   level = at::zeros({2}, at::kDouble);
  const NamedTensors conditions{{"low_res", at::randn_like(z)}, {"text", at::zeros({2, 3, 4})}};
  const at::Tensor whole = network.predict(z, level, conditions, context);
  const auto tiled = [&](const std::string& tiling, int64_t stride = 2) {
    TiledDenoiser tiles(network, Tiling::from_json(Json::parse(tiling), stride), stride);
    return tiles.predict(z, level, conditions, context);
  };
  CHECK((tiled(R"({"size": 8, "overlap": 2, "halo": 1})") - whole).abs().max().item<double>() <
        1e-12);
  CHECK((tiled(R"({"size": 8, "overlap": 6, "halo": 1})") - whole).abs().max().item<double>() <
        1e-12);
  CHECK((tiled(R"({"size": 8, "overlap": 4})") - whole).abs().max().item<double>() > 1e-3);
  const int64_t before = network.calls;
  CHECK(at::equal(tiled(R"({"size": 40})"), whole));
  CHECK(network.calls == before + 1);
  for (const auto& [tiling, name] : {std::pair{R"({"size": 7})", "tile.size"},
                                     {R"({"size": 8, "overlap": 8})", "tile.overlap"},
                                     {R"({"size": 8, "overlap": 4, "halo": 3})", "tile.halo"},
                                     {R"({"overlap": 4})", "tile.size"}}) {
    check_refused([&, text = tiling] { tiled(text); }, ErrorCode::kBadConfig, name);
  }
}

TEST_CASE("imagen_video: a network of norms of pixels computes the same in tiles") {
  const auto module = random_model(config_of(R"({"norm": "rms", "dim_mults": [1]})"));
  const at::Tensor text = at::ones({1, 2, 6});
  const std::string size = R"("height": 40, "width": 48, "frames": 1, "threshold": "none")";
  const at::Tensor whole = sampled(*module, {{"text", text}}, options_of("{" + size + "}"));
  const auto tiled = [&](const std::string& tile) {
    return sampled(*module, {{"text", text}},
                   options_of("{" + size + R"(, "tile": )" + tile + "}"));
  };
  // A pixel sees 12 around it: stem and end 1 each, and 5 blocks of 2.
  const at::Tensor exact = tiled(R"({"size": 32, "overlap": 24, "halo": 12})");
  CHECK((exact - whole).abs().max().item<double>() < 1e-4);
  const at::Tensor near = tiled(R"({"size": 32, "overlap": 4, "halo": 2})");
  CHECK((near - whole).abs().max().item<double>() > 1e-3);
}

TEST_CASE("imagen_video: tiles that fade into each other leave no seams") {
  const auto module = random_model(config_of(R"({"dim_mults": [1, 1], "blocks": [1, 1],
      "self_attention": [0, 0], "text_attention": [0, 0]})"));
  const std::string size = R"({"height": 24, "width": 48, "frames": 1)";
  const std::string tile = R"(, "tile": {"size": 24, "overlap": 12}})";
  const at::Tensor video = sampled(*module, {}, options_of(size + tile));
  // Tiles begin at 0, 12 and 24, and end at 24, 36 and 48.
  const at::Tensor energy_W = video.diff(1, -1).square().mean(c10::IntArrayRef({0, 1, 2, 3}));
  const at::Tensor seams = at::tensor({11, 23, 35}, at::kLong);
  const at::Tensor inside = at::ones_like(energy_W).index_fill(0, seams, 0);
  const double interior = ((energy_W * inside).sum() / inside.sum()).item<double>();
  CHECK(energy_W.index_select(0, seams).mean().item<double>() <= 1.2 * interior);
  const at::Tensor cut =
      sampled(*module, {}, options_of(size + R"(, "tile": {"size": 24, "overlap": 0}})"));
  CHECK((cut - video).abs().max().item<double>() > 1e-3);
}

TEST_CASE("imagen_video: a seed decides on a video, whatever else is in the batch") {
  const auto module = random_model(config_of());
  const at::Tensor text = at::randn({2, 4, 6});
  for (const char* kind : {"ddim", "ancestral", "stochastic"}) {
    CAPTURE(kind);
    const std::string more = std::string(R"(, "sampler": {"steps": 3, "kind": ")") + kind +
                             R"("}, "guidance": 2, "threshold": {"percentile": 0.9}})";
    const at::Tensor both =
        sampled(*module, {{"text", text}}, options_of(R"({"seeds": [3, 9])" + more));
    const at::Tensor one =
        sampled(*module, {{"text", text.narrow(0, 1, 1)}}, options_of(R"({"seeds": [9])" + more));
    CHECK((both.narrow(0, 1, 1) - one).abs().max().item<double>() < 1e-5);
    CHECK((both[0] - both[1]).abs().max().item<double>() > 0.1);
    CHECK(both.abs().max().item<double>() <= 1);
  }
}

TEST_CASE("imagen_video: guidance leads from the empty text, or from a negative one") {
  const auto module = random_model(config_of(), {at::kCPU, at::kDouble});
  const at::Tensor text = at::randn({1, 4, 6});
  const auto made = [&](NamedTensors inputs, const std::string& more) {
    return sampled(*module, std::move(inputs), options_of(more));
  };
  const at::Tensor plain = made({{"text", text}}, "{}");
  CHECK(at::equal(made({{"text", text}}, R"({"guidance": 0})"), plain));
  const at::Tensor guided = made({{"text", text}}, R"({"guidance": 2})");
  CHECK((guided - plain).abs().max().item<double>() > 1e-3);
  const at::Tensor apart =
      made({{"text", text}}, R"({"guidance": {"scale": 3, "passes": "apart"}})");
  CHECK((guided - apart).abs().max().item<double>() < 1e-4);
  const at::Tensor hidden = at::zeros({1, 4}, at::kLong);
  const at::Tensor empty =
      made({{"text", text}, {"negative", at::randn({1, 4, 6})}, {"negative_mask", hidden}},
           R"({"guidance": 2})");
  CHECK((guided - empty).abs().max().item<double>() < 1e-5);
  // Led away from itself it is not led at all.
  const at::Tensor self = made({{"text", text}, {"negative", text}}, R"({"guidance": 2})");
  CHECK((self - plain).abs().max().item<double>() < 1e-4);
  check_refused([&] { made({}, R"({"guidance": 2})"); }, ErrorCode::kBadInput,
                "text of stage base");
}

TEST_CASE("imagen_video: the small video counts, the less the more noise is on it") {
  const auto module = random_model(config_of(R"({"low_res_channels": 4})"));
  const at::Tensor one = at::full({1, 3, 1, 3, 4}, 0.5), other = at::full({1, 3, 1, 3, 4}, -0.5);
  const auto made = [&](const at::Tensor& small, const std::string& snr) {
    return sampled(*module, {{"small", small}},
                   options_of(R"({"fill": "blank", "augmentation_snr": )" + snr + "}"));
  };
  const auto moved = [&](const std::string& snr) {
    return (made(one, snr) - made(other, snr)).abs().mean().item<double>();
  };
  CHECK(moved("1000") > 3 * moved("0.001"));
  CHECK(at::equal(made(one, "5"), made(one, "5")));
  // Beyond the range it is clipped to it.
  CHECK(at::equal(made(at::full_like(one, 3), "null"), made(at::ones_like(one), "null")));
  check_refused(
      [&] {
        sampled(*module, {{"small", one}}, options_of());
      },
      ErrorCode::kShape, "small of stage base");
  check_refused(
      [&] {
        made(one.repeat({1, 1, 3, 1, 1}), "5");
      },
      ErrorCode::kShape, "small of stage base");
}

TEST_CASE("imagen_video: known parts are kept, and the rest is led to fit them") {
  const auto module = random_model(config_of());
  const at::Tensor values = at::full({1, 3, 2, 6, 8}, 0.25);
  at::Tensor mask = at::zeros({1, 1, 2, 6, 8}, at::kBool);
  mask.select(2, 0).fill_(true);
  const auto made = [&](const std::string& known) {
    return sampled(*module, {{"known", values}, {"known_mask", mask}},
                   options_of(R"({"known": )" + known + "}"));
  };
  const at::Tensor led = made(R"({"weight": 4})");
  CHECK(at::equal(led.select(2, 0), values.select(2, 0)));
  const at::Tensor replaced = made(R"({"method": "replacement", "repeats": 2})");
  CHECK(at::equal(replaced.select(2, 0), values.select(2, 0)));
  const at::Tensor free = sampled(*module, {}, options_of());
  CHECK((led.select(2, 1) - free.select(2, 1)).abs().max().item<double>() > 1e-3);
  check_refused(
      [&] {
        sampled(*module, {{"known", values}}, options_of());
      },
      ErrorCode::kBadInput, "known_mask of stage base");
  const at::Tensor small = values.narrow(3, 0, 4).contiguous();
  check_refused(
      [&] {
        sampled(*module, {{"known", small}, {"known_mask", mask.narrow(3, 0, 4)}}, options_of());
      },
      ErrorCode::kShape, "known of stage base");
}

TEST_CASE("imagen_video: a late start keeps near what it starts from") {
  const auto module = random_model(config_of());
  const at::Tensor start = at::full({1, 3, 2, 6, 8}, 0.5);
  const auto far = [&](const std::string& skip) {
    const Json options = options_of(R"({"sampler": {"steps": 20, "skip": )" + skip + "}}");
    return (sampled(*module, {{"start", start}}, options) - start).abs().mean().item<double>();
  };
  CHECK(far("19") < far("10"));
  check_refused(
      [&] { sampled(*module, {}, options_of(R"({"sampler": {"steps": 4, "skip": 2}})")); },
      ErrorCode::kShape, "start of stage base");
}

TEST_CASE("imagen_video: sizes that do not divide are refused, or padded") {
  const auto module =
      random_model(config_of(R"({"dim_mults": [1, 1], "blocks": [1, 1], "self_attention": [0, 0],
                                 "text_attention": [0, 1]})"));
  check_refused([&] { sampled(*module, {}, options_of(R"({"height": 7})")); }, ErrorCode::kShape,
                "multiple of 2 for the height of stage base but received 7");
  const at::Tensor video = sampled(*module, {}, options_of(R"({"height": 7, "pad": true})"));
  CHECK(video.size(3) == 7);
}

TEST_CASE("imagen_video: options that do not fit the network are refused by the stage") {
  const auto module = random_model(config_of());
  const auto attending = random_model(config_of(R"({"self_attention": [1]})"));
  check_refused(
      [&] { sampled(*module, {}, options_of(R"({"guidance": {"weight": 1, "passes": "one"}})")); },
      ErrorCode::kBadConfig, "passes of guidance of stage base");
  check_refused([&] { sampled(*attending, {}, options_of(R"({"tile": {"size": 4}})")); },
                ErrorCode::kUnsupported, "no tiles for stage base");
  check_refused([&] { sampled(*module, {}, options_of(R"({"seeds": []})")); },
                ErrorCode::kBadConfig, "seeds");
  check_refused(
      [&] {
        sampled(*module, {{"text", at::zeros({2, 3, 6})}}, options_of());
      },
      ErrorCode::kShape, "text of stage base");
  check_refused([&] { sampled(*module, {}, options_of(R"({"sampler": {"steps": 0}})")); },
                ErrorCode::kBadConfig, "sampler.steps");
  const auto distilled = random_model(config_of(R"({"guidance_input": true})"));
  const auto led = [&](const std::string& weight) {
    return sampled(*distilled, {},
                   options_of(R"({"guidance": {"passes": "one", "weight": )" + weight + "}}"));
  };
  CHECK((led("0") - led("4")).abs().max().item<double>() > 1e-3);
}

TEST_CASE("imagen_video: weights that are no numbers are told by stage and name") {
  const auto module = random_model(config_of());
  for (const Parameter& one : module->parameters()) {
    if (one.name == "up.0.1.res.conv1.weight") one.tensor.flatten()[3] = NAN;
  }
  check_refused([&] { sampled(*module, {}, options_of()); }, ErrorCode::kDiverged,
                "step 1 of 3 of base");
  check_refused([&] { sampled(*module, {}, options_of()); }, ErrorCode::kDiverged,
                "up.0.1.res.conv1.weight");
}

TEST_CASE("imagen_video: progress counts evaluations, previews are streamed, a cancel ends it") {
  class Watching final : public JobContext {
   public:
    explicit Watching(double most) : most_(most) {}
    void checkpoint() override {
      if (told.size() >= most_) throw Error(ErrorCode::kCancelled, "enough");
    }
    void progress(const Progress& progress) override { told.push_back(progress); }
    void emit(NamedTensors item) override { items.push_back(std::move(item)); }
    std::vector<Progress> told;
    std::vector<NamedTensors> items;

   private:
    double most_;
  };
  const auto module = random_model(config_of());
  const auto run = [&](Watching& context) {
    Call call;
    call.options =
        options_of(R"({"sampler": {"steps": 5}, "preview_every": 2, "preview_size": 4})");
    module->call("sample", call, context);
  };
  Watching whole(100);
  run(whole);
  REQUIRE(whole.told.size() == 5);
  for (size_t i = 0; i < 5; ++i) {
    CHECK(whole.told[i].done == i + 1);
    CHECK(whole.told[i].total == 5);
    CHECK(whole.told[i].phase == "base");
  }
  REQUIRE(whole.items.size() == 3);
  CHECK(get(whole.items[1], "step").item<int64_t>() == 4);
  CHECK(get(whole.items[2], "step").item<int64_t>() == 5);
  CHECK(get(whole.items[0], "preview").sizes() == at::IntArrayRef({1, 2, 3, 4, 3}));
  Watching cut(2);
  check_refused([&] { run(cut); }, ErrorCode::kCancelled, "enough");
  CHECK(cut.told.size() == 2);
}
