// Choosing tokens against NumPy's references, and texts against recomputing everything.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/PhiloxRNGEngine.h>
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "generation/beam.h"
#include "generation/prompt.h"
#include "generation/sampling.h"
#include "runtime/error.h"
#include "tests/model_support.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::test;
namespace fs = std::filesystem;

namespace {

constexpr double kGate = 5e-5;  // of the standard deviation
const fs::path kFixtures = fixtures() / "generation";

Json read_json(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str(), path.string());
}

DecoderConfig small(const std::string& type, const std::string& changes = "{}") {
  Json config = Json::parse(
      R"({"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
          "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 50})");
  config.set("model_type", type);
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return DecoderConfig::from_json(ConfigReader(config));
}

// A decoder with sharp weights.
class Model {
 public:
  explicit Model(const DecoderConfig& config, const ModuleOptions& options = {})
      : decoder(config, options) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{7});
    std::vector<Parameter> parameters;
    decoder.add_parameters(parameters, "model.", "lm_head");
    for (const Parameter& one : parameters) {
      const double scale = one.tensor.dim() == 1 ? 0.25 : 0.4;
      one.tensor.copy_(at::randn(one.full_shape, generator, at::kDouble) * scale);
    }
    decoder.loaded();
  }

  Prompt prompt(const at::Tensor& ids_BT, const at::Tensor& real_BT = {}) const {
    Call call{{{"input_ids", ids_BT}}, Json::Object{}, {}};
    return {ids_BT,
            decoder.embed(ids_BT),
            token_positions(call, real_BT, ids_BT, at::kCPU),
            {real_BT, {}}};
  }

  // Logits of all tokens, without a cache.
  at::Tensor logits(const at::Tensor& ids_BT, const at::Tensor& real_BT = {}) {
    const at::Tensor x_BTd = read_prompt(decoder, prompt(ids_BT, real_BT), trace);
    return decoder.logits(x_BTd.flatten(0, 1)).unflatten(0, ids_BT.sizes());
  }

  Decoder decoder;
  Taps none;
  JobContext context;
  Trace trace{none, context, 0};
};

GenerationOptions options_of(const Json& json, int64_t vocabulary) {
  DecoderConfig config;
  config.vocabulary = vocabulary;
  Json options = json;
  options.set("do_sample", true);
  return GenerationOptions::from_json(options, config, 1);
}

}  // namespace

TEST_CASE("candidates have the probabilities of the reference, and no others") {
  const at::Tensor logits_RV =
      get(read_tensors(kFixtures / "sampling" / "inputs.safetensors"), "logits");
  const NamedTensors expected = read_tensors(kFixtures / "sampling" / "expected.safetensors");
  const at::Tensor expected_CRV = get(expected, "probabilities");
  const Json cases = read_json(kFixtures / "sampling" / "case.json");
  const int64_t rows = logits_RV.size(0), vocabulary = logits_RV.size(1);
  int64_t c = 0;
  for (const Json& one : cases.as_array()) {
    Json given = one;
    const Json* allowed = one.find("allowed");
    at::Tensor open_RV = logits_RV.clone();
    if (!allowed->is_null()) {
      const at::Tensor kept = at::tensor(allowed->as_ints(), at::kLong);
      open_RV.fill_(-std::numeric_limits<float>::infinity());
      open_RV.index_copy_(1, kept, logits_RV.index_select(1, kept));
    }
    Json options(Json::Object{});
    for (const char* name : {"temperature", "top_k", "top_p"}) options.set(name, one.at(name));
    for (int64_t r = 0; r < rows; ++r) {
      CAPTURE(one.dump());
      const auto list = candidates(open_RV[r].contiguous().const_data_ptr<float>(), vocabulary,
                                   options_of(options, vocabulary));
      at::Tensor got_V = at::zeros({vocabulary}, at::kDouble);
      for (const Candidate& candidate : list) got_V[candidate.id] = candidate.probability;
      CHECK((got_V - expected_CRV[c][r]).abs().max().item<double>() < 1e-6);
      CHECK(got_V.gt(0).equal(expected_CRV[c][r].gt(0)));
    }
    ++c;
  }
  const at::Tensor log_probs_RV = get(expected, "logprobs");
  for (int64_t id = 0; id < vocabulary; ++id) {
    const at::Tensor got_R = log_probs(logits_RV, at::full({rows}, id, at::kLong));
    CHECK((got_R - log_probs_RV.select(1, id)).abs().max().item<double>() < 5e-5);
  }
}

TEST_CASE("the random numbers are those of Philox 4x32-10") {
  const Json vectors = read_json(kFixtures / "philox.json");
  for (const Json& one : vectors.as_array()) {
    const auto word = [&](const char* name, size_t i) {
      return static_cast<uint64_t>(one.at(name).as_array()[i].as_int());
    };
    at::philox_engine engine(word("key", 0) | word("key", 1) << 32,
                             word("counter", 2) | word("counter", 3) << 32,
                             word("counter", 0) | word("counter", 1) << 32);
    for (size_t i = 0; i < 4; ++i) CHECK(engine() == word("output", i));
  }
}

TEST_CASE("draws are distributed as the candidates say") {
  const at::Tensor logits_1V = at::tensor({2.f, 1.f, 0.f, 1.5f, -1.f, -9.f}).unsqueeze(0);
  Json json = Json::parse(R"({"temperature": 0.8, "top_k": 4})");
  const GenerationOptions options = options_of(json, 6);
  const Sampler sampler(options, 6, at::kCPU);
  constexpr int64_t kDraws = 100000;
  std::map<int64_t, double> counts;
  for (int64_t step = 0; step < kDraws; ++step) {
    counts[sampler(logits_1V, {{11, 0}}, step).item<int64_t>()] += 1;
  }
  double chi_square = 0;
  const auto list = candidates(logits_1V.const_data_ptr<float>(), 6, options);
  for (const Candidate& one : list) {
    const double expected = one.probability * kDraws;
    chi_square += (counts[one.id] - expected) * (counts[one.id] - expected) / expected;
  }
  CHECK(counts.size() == list.size());
  CHECK(chi_square < 16.27);  // p = 1e-3 for 3 degrees of freedom
}

TEST_CASE("a draw depends on seed, stream and step alone") {
  const at::Tensor logits_BV = at::randn({3, 40});
  const Sampler sampler(options_of(Json(Json::Object{}), 40), 40, at::kCPU);
  const at::Tensor together_B = sampler(logits_BV, {{5, 0}, {6, 0}, {5, 1}}, 4);
  const std::vector<Sampler::Row> rows{{5, 0}, {6, 0}, {5, 1}};
  for (int64_t b = 0; b < 3; ++b) {
    const at::Tensor alone_B = sampler(logits_BV.narrow(0, b, 1), {rows[b]}, 4);
    CHECK(alone_B.item<int64_t>() == together_B[b].item<int64_t>());
  }
}

TEST_CASE("beam search finds what the reference finds; wide enough, it finds the best of all") {
  const fs::path folder = kFixtures / "beam_table";
  const Json given = read_json(folder / "case.json");
  const at::Tensor logits_RLVV = get(read_tensors(folder / "inputs.safetensors"), "logits");
  const NamedTensors expected = read_tensors(folder / "expected.safetensors");
  const int64_t start = given.get("start_token_id", 0), vocabulary = logits_RLVV.size(3);
  DecoderConfig config;
  config.vocabulary = vocabulary;
  for (const int64_t beams : given.at("beams").as_ints()) {
    if (beams == 1) continue;  // greedy: another path
    const std::string name = "n" + std::to_string(beams);
    const at::Tensor sequences_RL = get(expected, name + ".sequences");
    for (int64_t r = 0; r < logits_RLVV.size(0); ++r) {
      CAPTURE(name);
      CAPTURE(r);
      GenerationOptions options;
      options.max_new_tokens = given.get("max_new_tokens", 0);
      options.beams = beams;
      options.eos = {given.get("eos_token_id", 0)};
      int64_t step = 0;
      JobContext context;
      const Hypothesis found = beam_search(
          [&](const at::Tensor&, const at::Tensor& ids_L) {
            return logits_RLVV[r][++step].index_select(0, ids_L);
          },
          logits_RLVV[r][0][start].unsqueeze(0), options, context);
      at::Tensor ids_L = at::full({sequences_RL.size(1)}, given.get("pad_token_id", 0), at::kLong);
      for (size_t i = 0; i < found.ids.size(); ++i) ids_L[static_cast<int64_t>(i)] = found.ids[i];
      CHECK(ids_L.equal(sequences_RL[r]));
      CHECK(found.total ==
            doctest::Approx(get(expected, name + ".scores")[r].item<double>()).epsilon(1e-5));
      CHECK(step + 1 == get(expected, name + ".steps")[r].item<int64_t>());
    }
  }
}

TEST_CASE("with a cache as without, over 50 steps") {
  for (const std::string& type : std::vector<std::string>{"gemma", "gemma2"}) {
    CAPTURE(type);
    Model model(small(type, type == "gemma2" ? R"({"sliding_window": 6})" : "{}"));
    const at::Tensor ids_BT = at::randint(50, {2, 60}, at::kLong);
    const at::Tensor expected_BTV = model.logits(ids_BT);
    DecoderState state(model.decoder, 2, 60);
    at::Tensor logits_BV = state.prefill(model.prompt(ids_BT.narrow(1, 0, 9)), model.trace);
    CHECK(relative_error(logits_BV, expected_BTV.select(1, 8)) < kGate);
    for (int64_t t = 9; t < 59; ++t) {
      logits_BV = state.step(ids_BT.narrow(1, t, 1), model.context);
      CHECK(relative_error(logits_BV, expected_BTV.select(1, t)) < kGate);
    }
    DecoderState at_once(model.decoder, 2, 60);
    at_once.prefill(model.prompt(ids_BT.narrow(1, 0, 9)), model.trace);
    logits_BV = at_once.step(ids_BT.narrow(1, 9, 30), model.context);
    CHECK(relative_error(logits_BV, expected_BTV.select(1, 38)) < kGate);
  }
}

TEST_CASE("steps of fixed operands, as a graph needs them, give the same logits") {
  Model model(small("gemma2", R"({"sliding_window": 6})"));
  const at::Tensor ids_BT = at::randint(50, {2, 30}, at::kLong);
  const at::Tensor prompt_BT = ids_BT.narrow(1, 0, 8);
  const at::Tensor real_BT = at::arange(8).ge(at::tensor({3, 0}, at::kLong).unsqueeze(1));
  DecoderState free(model.decoder, 2, 30), fixed(model.decoder, 2, 30, /*fixed=*/true);
  free.prefill(model.prompt(prompt_BT, real_BT), model.trace);
  fixed.prefill(model.prompt(prompt_BT, real_BT), model.trace);
  for (int64_t t = 8; t < 30; ++t) {
    const at::Tensor ids_B1 = ids_BT.narrow(1, t, 1);
    CHECK(relative_error(fixed.step(ids_B1, model.context), free.step(ids_B1, model.context)) <
          kGate);
    if (t != 15) continue;
    for (DecoderState* state : {&free, &fixed}) state->select(at::tensor({1, 0}, at::kLong));
  }
}

TEST_CASE("a row is what it is alone, whatever padding and rows stand beside it") {
  Model model(small("gemma2", R"({"sliding_window": 5})"));
  const at::Tensor ids_1T = at::randint(50, {1, 7}, at::kLong);
  const at::Tensor other_1T = at::randint(50, {1, 11}, at::kLong);
  const at::Tensor ids_BT = at::cat({at::constant_pad_nd(ids_1T, {4, 0}), other_1T});
  const at::Tensor real_BT = at::arange(11).ge(at::tensor({4, 0}, at::kLong).unsqueeze(1));
  DecoderState alone(model.decoder, 1, 30), batch(model.decoder, 2, 30);
  at::Tensor alone_1V = alone.prefill(model.prompt(ids_1T), model.trace);
  at::Tensor batch_BV = batch.prefill(model.prompt(ids_BT, real_BT), model.trace);
  for (int64_t step = 0; step < 8; ++step) {
    CHECK(relative_error(batch_BV.narrow(0, 0, 1), alone_1V) < kGate);
    const at::Tensor next_B1 = at::randint(50, {2, 1}, at::kLong);
    alone_1V = alone.step(next_B1.narrow(0, 0, 1), model.context);
    batch_BV = batch.step(next_B1, model.context);
  }
  // The other row leaves, and the rest goes on.
  batch.select(at::tensor({0}, at::kLong));
  const at::Tensor next_11 = at::randint(50, {1, 1}, at::kLong);
  CHECK(relative_error(batch.step(next_11, model.context), alone.step(next_11, model.context)) <
        kGate);
}

TEST_CASE("weights of fewer bits give nearly the same logits") {
  const at::Tensor ids_BT = at::randint(50, {2, 20}, at::kLong);
  Model exact(small("gemma"));
  const at::Tensor expected_BTV = exact.logits(ids_BT);
  const auto cosine = [&](const ModuleOptions& options) {
    Model model(small("gemma"), options);
    const at::Tensor logits_BTV = model.logits(ids_BT);
    const bool full = logits_BTV.scalar_type() == at::kFloat;
    CHECK(full);
    CHECK(logits_BTV.isfinite().all().item<bool>());
    return at::cosine_similarity(logits_BTV.flatten(), expected_BTV.flatten(), 0).item<double>();
  };
  ModuleOptions half, narrow, integers;
  half.dtype = at::kBFloat16;
  narrow.dtype = at::kHalf;
  integers.extra = Json::parse(R"({"weights": "int8"})");
  CHECK(cosine(half) > 0.999);
  CHECK(cosine(narrow) > 0.999);
  CHECK(cosine(integers) > 0.995);
}

TEST_CASE("a cache that is full, a prompt padded in the middle: refused") {
  Model model(small("gemma"));
  DecoderState state(model.decoder, 1, 5);
  const at::Tensor ids_BT = at::ones({1, 5}, at::kLong);
  const auto refuses = [&](const std::function<void()>& work) {
    try {
      work();
      return false;
    } catch (const Error& error) {
      return error.code() == ErrorCode::kBadInput;
    }
  };
  CHECK(refuses([&] { state.step(ids_BT, model.context); }));
  const at::Tensor holes_BT = at::tensor({1, 0, 1, 1, 1}).unsqueeze(0).to(at::kBool);
  CHECK(refuses([&] { state.prefill(model.prompt(ids_BT, holes_BT), model.trace); }));
  state.prefill(model.prompt(ids_BT), model.trace);
  CHECK(refuses([&] { state.step(ids_BT.narrow(1, 0, 1), model.context); }));
  CHECK(refuses([&] { check_ids(ids_BT * 50, 50); }));
  CHECK(refuses([&] { check_ids(-ids_BT, 50); }));
}
