// Checkpoints of ranks: saved by some, loaded by others, and never mixed up.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "distributed/nominal_group.h"
#include "io/checkpoint.h"
#include "runtime/load_plan.h"
#include "runtime/loader.h"
#include "runtime/reshard.h"
#include "runtime/save.h"
#include "tests/files.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace torchsight::tests;
namespace fs = std::filesystem;

namespace {

// Heads and hidden units divide by 1, 2, 3, 4 and 8 ranks.
Json shardable(const std::string& changes = "{}") {
  Json config = small_config(
      R"({"hidden_size": 192, "num_attention_heads": 24, "num_labels": 3, "num_hidden_layers": 2,
          "qkv_bias": true, "qk_norm_scale": "per_head"})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

// Divides by 2, 4 and 8 ranks, of which some share the heads of keys and values.
Json gemma(int64_t kv_heads) {
  Json config = Json::parse(
      R"({"model_type": "gemma", "hidden_size": 32, "num_hidden_layers": 2, "head_dim": 4,
          "num_attention_heads": 16, "intermediate_size": 64, "vocab_size": 64,
          "max_position_embeddings": 16})");
  return config.set("num_key_value_heads", kv_heads);
}

// As TypeScript makes it: every parameter from the tensor of its name, whole or in pieces.
Json plan_of(const fs::path& path) {
  Json::Array entries;
  const Json seen = Checkpoint::open(path).inspect();
  for (const Json& tensor : seen.at("tensors").as_array()) {
    Json source(Json::Object{{"tensor", tensor.at("name")}});
    if (const Json* pieces = tensor.find("pieces")) {
      Json::Array files;
      for (const Json& piece : pieces->as_array()) files.push_back(piece.at("file"));
      source.set("files", std::move(files)).set("dim", tensor.at("cut"));
    } else {
      source.set("file", tensor.at("file"));
    }
    entries.push_back(
        Json::Object{{"target", tensor.at("name")}, {"sources", Json::Array{std::move(source)}}});
  }
  return Json::Object{{"entries", std::move(entries)}};
}

LoadRequest request_for(const Json& config, const Json& plan) {
  return LoadRequest(Json::Object{{"config", config}, {"plan", plan}});
}

LoadRequest on_rank(LoadRequest request, const std::shared_ptr<Group>& group) {
  request.options.group = group;
  return request;
}

// Runs `work` on every rank with a module of random weights that are cuts of the same full ones.
void with_ranks(const Json& config, int64_t size, const std::function<void(Module&)>& work) {
  on_ranks(size, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options;
    if (size > 1) options.group = group;
    work(*random_model(config, options));
  });
}

void save_from(const Json& config, int64_t size, const fs::path& folder) {
  with_ranks(config, size, [&](Module& module) {
    JobContext context;
    module.save({folder, 0, config.dump()}, context);
  });
}

std::map<std::string, at::Tensor> weights_of(const Json& config) {
  std::map<std::string, at::Tensor> weights;
  const auto module = random_model(config);
  for (const Parameter& one : module->parameters()) weights[one.name] = one.tensor;
  return weights;
}

// Whether every parameter is bit for bit its slice of the full weights.
bool holds_slices(Module& module, const std::map<std::string, at::Tensor>& full) {
  for (const Parameter& parameter : module.parameters()) {
    at::Tensor expected = full.at(parameter.name);
    if (const auto& cut = parameter.cut) {
      expected = expected.narrow(cut->dim, cut->begin, cut->length);
    }
    if (!parameter.tensor.equal(expected)) return false;
  }
  return true;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

ReshardRequest reshard_to(int64_t ranks, const Json& config, const fs::path& from,
                          const fs::path& to) {
  return ReshardRequest::from_json(Json::Object{{"config", config},
                                                {"plan", plan_of(from)},
                                                {"ranks", ranks},
                                                {"folder", to.string()},
                                                {"shardBytes", 0},
                                                {"configText", config.dump()}});
}

// Bytes that this process has asked the system to read so far.
int64_t bytes_read() {
  std::ifstream counters("/proc/self/io");
  std::string name;
  int64_t value = 0;
  counters >> name >> value;
  return name == "rchar:" ? value : -1;
}

}  // namespace

TEST_CASE("any number of ranks loads what any other number has saved, bit for bit") {
  const Json config = shardable();
  const auto full = weights_of(config);
  for (const int64_t saved : {1, 2, 3, 4, 8}) {
    const TemporaryFolder folder;
    save_from(config, saved, folder.path());
    CHECK(fs::exists(folder / kManifestName) == (saved > 1));
    CHECK(read_file(folder / "config.json") == config.dump());
    const LoadRequest request = request_for(config, plan_of(folder.path()));
    for (const int64_t loading : {1, 2, 3, 4, 8}) {
      CAPTURE(saved);
      CAPTURE(loading);
      std::vector<int> good(loading);
      on_ranks(loading, [&](const std::shared_ptr<Group>& group) {
        JobContext context;
        const auto module = load_here(on_rank(request, group), context);
        good[group->rank()] = holds_slices(*module, full);
      });
      for (const int one : good) CHECK(one);
    }
  }
}

TEST_CASE("each rank writes its own parts, the first one what all of them hold") {
  const Json config = shardable();
  const TemporaryFolder folder;
  save_from(config, 3, folder.path());
  const ShardManifest manifest = parse_manifest(read_file(folder / kManifestName), "manifest");
  CHECK(manifest.ranks == 3);
  CHECK(manifest.layout == "tokens");
  CHECK(manifest.dtype == "float32");
  CHECK(manifest.config.dump() == config.dump());
  REQUIRE(manifest.files.size() == 3);
  CHECK(names_in(folder.path()) ==
        std::set<std::string>{"config.json", kManifestName, manifest.files[0].name,
                              manifest.files[1].name, manifest.files[2].name});
  std::vector<size_t> tensors(3);
  for (const ShardManifest::Tensor& tensor : manifest.tensors) {
    CHECK(tensor.pieces.size() == (tensor.cut ? 3 : 1));
    for (const ShardManifest::Piece& piece : tensor.pieces) ++tensors[piece.file];
  }
  for (size_t i = 0; i < 3; ++i) {
    const SafetensorsFile file(InputFile(folder / manifest.files[i].name));
    CHECK(file.tensors().size() == tensors[i]);
  }
  CHECK(tensors[0] > tensors[1]);
  CHECK(tensors[1] == tensors[2]);
}

TEST_CASE("a rank reads its own part of files of other ranks, and little else") {
  if (bytes_read() < 0) {
    MESSAGE("skipped: this system does not count the bytes that are read");
    return;
  }
  // Wide enough that a rank's columns are worth reading by themselves.
  const Json config = shardable(R"({"hidden_size": 48, "num_attention_heads": 12,
                                    "intermediate_size": 49152, "pooling": "mean"})");
  for (const int64_t saved : {1, 3, 4}) {
    const TemporaryFolder folder;
    save_from(config, saved, folder.path());
    const LoadPlan plan = LoadPlan::from_json(plan_of(folder.path()));
    int64_t headers = 0, whole = 0;
    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    for (const auto& file : checkpoint.files()) {
      const auto& input = dynamic_cast<const SafetensorsFile&>(*file).file();
      uint64_t header = 0;
      input.read(0, &header, sizeof header);
      headers += static_cast<int64_t>(header + sizeof header);
      whole += static_cast<int64_t>(input.size());
    }
    for (const int64_t ranks : {1, 2, 4, 6}) {
      for (const int64_t rank : {int64_t{0}, ranks - 1}) {
        CAPTURE(saved);
        CAPTURE(ranks);
        ModuleOptions options;
        if (ranks > 1) options.group = make_nominal_group(rank, ranks);
        const auto module = make_module(config, options);
        int64_t own = 0;
        for (const Parameter& one : module->parameters()) {
          own += static_cast<int64_t>(one.tensor.nbytes());
        }
        JobContext context;
        const int64_t before = bytes_read();
        execute(plan, *module, context);
        const int64_t read = bytes_read() - before;
        CHECK(read >= own);
        // Runs that lie close to each other are read in one go, which small tensors have here.
        CHECK(read <= own + headers + own / 20);
        if (ranks > 1) CHECK(read < whole * 6 / 10);
      }
    }
  }
}

TEST_CASE("re-sharding gives every number of ranks the same full weights, in their own dtypes") {
  const Json config = shardable();
  const TemporaryFolder root;
  // A checkpoint in bfloat16 with one tensor in float32 and one of integers.
  const auto module = random_model(config);
  NamedTensors tensors;
  for (const Parameter& one : module->parameters()) {
    const at::ScalarType dtype = one.name == "norm.weight"               ? at::kFloat
                                 : one.name == "blocks.0.mlp.fc1.weight" ? at::kInt
                                                                         : at::kBFloat16;
    tensors.emplace_back(one.name, one.tensor.to(dtype));
  }
  fs::create_directories(root / "start");
  write_safetensors(root / "start" / kSingleName, tensors, {{"format", "pt"}});
  const std::string start = read_file(root / "start" / kSingleName);
  JobContext context;
  for (const int64_t from : {1, 2, 3, 4}) {
    const fs::path middle = root / ("from-" + std::to_string(from));
    reshard(reshard_to(from, config, root / "start", middle), context);
    for (const int64_t to : {1, 2, 3, 4}) {
      CAPTURE(from);
      CAPTURE(to);
      const fs::path there = root / "there", back = root / "back";
      reshard(reshard_to(to, config, middle, there), context);
      CHECK(fs::exists(there / kManifestName) == (to > 1));
      CHECK(read_file(there / "config.json") == config.dump());
      reshard(reshard_to(1, config, there, back), context);
      CHECK(read_file(back / kSingleName) == start);
      fs::remove_all(there);
      fs::remove_all(back);
    }
  }
}

TEST_CASE("what ranks have saved and what re-sharding makes of a whole are the same tensors") {
  const Json config = shardable();
  const TemporaryFolder root;
  save_from(config, 4, root / "ranks");
  save_from(config, 1, root / "whole");
  JobContext context;
  reshard(reshard_to(4, config, root / "whole", root / "made"), context);
  const Checkpoint saved = Checkpoint::open(root / "ranks"), made = Checkpoint::open(root / "made");
  REQUIRE(saved.files().size() == made.files().size());
  for (size_t i = 0; i < saved.files().size(); ++i) {
    REQUIRE(saved.files()[i]->tensors().size() == made.files()[i]->tensors().size());
    for (const TensorInfo& info : saved.files()[i]->tensors()) {
      const TensorInfo* other = made.files()[i]->find(info.name);
      REQUIRE(other);
      CHECK(saved.files()[i]->load(info).equal(made.files()[i]->load(*other)));
    }
  }
}

TEST_CASE("a Gemma whose ranks share heads of keys is saved and divided like any other") {
  for (const int64_t kv_heads : {1, 4}) {
    const Json config = gemma(kv_heads);
    const auto full = weights_of(config);
    const TemporaryFolder root;
    save_from(config, 1, root / "whole");
    for (const int64_t ranks : {2, 4, 8}) {
      CAPTURE(kv_heads);
      CAPTURE(ranks);
      const fs::path saved = root / ("saved-" + std::to_string(ranks));
      save_from(config, ranks, saved);
      const LoadRequest request = request_for(config, plan_of(saved));
      for (const int64_t loading : {1, 2, 8}) {
        std::vector<int> good(loading);
        on_ranks(loading, [&](const std::shared_ptr<Group>& group) {
          JobContext context;
          const auto module = load_here(on_rank(request, group), context);
          good[group->rank()] = holds_slices(*module, full);
        });
        for (const int one : good) CHECK(one);
      }
      JobContext context;
      reshard(reshard_to(ranks, config, root / "whole", root / "divided"), context);
      reshard(reshard_to(1, config, root / "divided", root / "back"), context);
      CHECK(read_file(root / "back" / kSingleName) == read_file(root / "whole" / kSingleName));
      fs::remove_all(root / "divided");
    }
  }
}

TEST_CASE("re-sharding holds one tensor at a time, and none where it cannot begin") {
  const Json config = shardable(R"({"hidden_size": 384, "intermediate_size": 24576,
                                    "num_hidden_layers": 4, "pooling": "mean"})");
  const TemporaryFolder root;
  {
    ModuleOptions outline;
    outline.device = at::kMeta;
    std::vector<TensorOutline> tensors;  // 312 MB, 38 in each of the large matrices
    const auto module = make_module(config, outline);
    for (const Parameter& one : module->parameters()) {
      tensors.push_back({one.name, at::kFloat, one.full_shape});
    }
    const auto value = [](const TensorOutline& tensor) { return at::ones(tensor.shape); };
    write_checkpoint(root / "whole", tensors, 0, value, {{"format", "pt"}});
  }
  JobContext context;
  for (const int64_t ranks : {2, 1}) {
    reset_peak();
    const int64_t before = peak_kib();
    reshard(reshard_to(ranks, config, root / (ranks == 2 ? "whole" : "2"),
                       root / std::to_string(ranks)),
            context);
    // A tensor, its staging buffers, and what the allocator keeps of others.
    if (!kSanitized) CHECK(peak_kib() - before < 120 << 10);
  }
  CHECK(read_file(root / "1" / kSingleName) == read_file(root / "whole" / kSingleName));
  const auto refusal = [&](int64_t ranks) {
    std::string text;
    try {
      reshard(reshard_to(ranks, config, root / "whole", root / "no"), context);
    } catch (const Error& error) {
      text = std::string(to_string(error.code())) + ": " + error.what();
    }
    return text;
  };
  CHECK(refusal(5) ==
        "BAD_CONFIG: expected a multiple of 5 (the ranks of tensor parallelism) for "
        "num_attention_heads but received 24; numbers of ranks that fit: 1, 2, 3, 4, 6, 8, 12, "
        "24");
  CHECK_FALSE(fs::exists(root / "no"));
}

TEST_CASE("a save that does not end leaves what was there, and no half of its own") {
  struct Stopping final : JobContext {
    explicit Stopping(int left) : left(left) {}
    int left;
    void checkpoint() override {
      if (--left < 0) throw Error(ErrorCode::kCancelled, "cancelled");
    }
  };
  const Json config = shardable();
  const TemporaryFolder fresh, used;
  save_from(config, 2, used.path());
  const std::set<std::string> before = names_in(used.path());
  const std::string manifest = read_file(used / kManifestName);
  for (const fs::path& folder : {fresh.path(), used.path()}) {
    std::vector<std::string> outcomes(3);
    on_ranks(3, [&](const std::shared_ptr<Group>& group) {
      ModuleOptions options;
      options.group = group;
      const auto module = random_model(config, options);
      Stopping context(group->rank() == 1 ? 10 : 1000);
      outcomes[group->rank()] = outcome_of([&] {
        module->save({folder, 0, config.dump()}, context);
      });
    });
    for (const std::string& one : outcomes) CHECK(one == "CANCELLED");
  }
  CHECK_FALSE(fs::exists(fresh / "config.json"));
  CHECK(outcome_of([&] { Checkpoint::open(fresh.path()); }) == "BAD_CHECKPOINT/NO_WEIGHTS");
  CHECK(read_file(used / kManifestName) == manifest);
  CHECK(outcome_of([&] { Checkpoint::open(used.path()); }) == "accepted");
  // The next save takes the place of both.
  save_from(config, 4, used.path());
  CHECK(names_in(used.path()).size() == 4 + 2);
  CHECK(read_file(used / kManifestName) != manifest);
  for (const std::string& name : before) {
    if (name.ends_with(".safetensors")) CHECK_FALSE(fs::exists(used / name));
  }
  save_from(config, 1, used.path());
  CHECK(names_in(used.path()) == std::set<std::string>{"config.json", kSingleName});
  save_from(config, 2, used.path());
  CHECK(names_in(used.path()).size() == 2 + 2);
}

TEST_CASE("ranks that would load different things refuse to, all of them") {
  const Json config = shardable();
  const TemporaryFolder one, other, float16;
  save_from(config, 2, one.path());
  save_from(config, 2, other.path());  // the same weights by another save
  const Json plan = plan_of(one.path()), late = plan_of(other.path());
  Json seeds(Json::Object{{"config", config}, {"seed", 1}});
  Json dtype(Json::Object{{"config", config}, {"plan", plan}, {"dtype", "bfloat16"}});
  Json::Array entries = plan.at("entries").as_array();
  std::swap(entries[0], entries[1]);
  const Json swapped = Json::Object{{"entries", std::move(entries)}};
  Json missing = Json::parse(plan.dump());
  const std::string gone = (one / "gone.safetensors").string();
  missing.set(
      "entries",
      Json::Array{Json::Object{
          {"target", "norm.weight"},
          {"sources", Json::Array{Json::Object{{"tensor", "norm.weight"}, {"file", gone}}}}}});
  struct Case {
    const char* name;
    LoadRequest odd;  // what the last rank is asked for
    const char* outcome;
    const char* message;
  };
  const LoadRequest request = request_for(config, plan);
  const std::vector<Case> cases{
      {"the same", request, "accepted", ""},
      {"another config", request_for(shardable(R"({"norm_eps": 0.1})"), plan),
       "BAD_CHECKPOINT/RANKS_DIFFER", "expected the same config on all 3 ranks but rank 2"},
      {"another dtype", LoadRequest(dtype), "BAD_CHECKPOINT/RANKS_DIFFER",
       "expected the same options on all 3 ranks but rank 2"},
      {"a seed", LoadRequest(seeds), "BAD_CHECKPOINT/RANKS_DIFFER",
       "expected the same options on all 3 ranks but rank 2"},
      {"another plan", request_for(config, swapped), "BAD_CHECKPOINT/RANKS_DIFFER",
       "expected the same load plan on all 3 ranks but rank 2"},
      {"a later save", request_for(config, late), "BAD_CHECKPOINT/RANKS_DIFFER",
       "expected the same load plan on all 3 ranks but rank 2"},
      {"a file that is not there", request_for(config, missing), "NOT_FOUND/NO_SUCH_FILE",
       "gone.safetensors"},
      {"no plan at all", LoadRequest(Json::Object{{"config", config}, {"plan", 1}}), "BAD_INPUT",
       "entries"},
  };
  for (const Case& one_case : cases) {
    CAPTURE(one_case.name);
    std::vector<std::string> outcomes(3), messages(3);
    on_ranks(3, [&](const std::shared_ptr<Group>& group) {
      const int64_t rank = group->rank();
      JobContext context;
      outcomes[rank] = outcome_of([&] {
        try {
          load_here(on_rank(rank == 2 ? one_case.odd : request, group), context);
        } catch (const Error& error) {
          messages[rank] = error.what();
          throw;
        }
      });
    });
    for (int64_t rank = 0; rank < 3; ++rank) {
      CHECK(outcomes[rank] == one_case.outcome);
      CHECK(messages[rank].find(one_case.message) != std::string::npos);
    }
  }
}

TEST_CASE("files that changed under the same names are found by their headers") {
  const Json config = shardable();
  const TemporaryFolder one, other;
  fs::create_directories(one / "model");
  fs::create_directories(other / "model");
  save_from(config, 1, one / "model");
  save_from(config, 1, other / "model");
  const auto outcomes = [&] {
    std::vector<std::string> found(2);
    on_ranks(2, [&](const std::shared_ptr<Group>& group) {
      const fs::path folder = (group->rank() == 0 ? one : other) / "model";
      const LoadRequest request = request_for(config, plan_of(folder));
      JobContext context;
      found[group->rank()] = outcome_of([&] { load_here(on_rank(request, group), context); });
    });
    return found;
  };
  // In different folders, as on different hosts, but the same.
  CHECK(outcomes() == std::vector<std::string>{"accepted", "accepted"});
  const auto module = random_model(config);
  NamedTensors tensors;
  for (const Parameter& parameter : module->parameters()) {
    tensors.emplace_back(parameter.name, parameter.tensor.to(at::kBFloat16));
  }
  write_safetensors(other / "model" / kSingleName, tensors, {{"format", "pt"}});
  const std::string differs = "BAD_CHECKPOINT/RANKS_DIFFER";
  CHECK(outcomes() == std::vector<std::string>{differs, differs});
}

TEST_CASE("modules that do not divide are saved by the first rank alone") {
  const Json config(Json::Object{{"model_type", "torchsight_diagnostics"}, {"size", 5}});
  const TemporaryFolder folder;
  on_ranks(3, [&](const std::shared_ptr<Group>& group) {
    ModuleOptions options;
    options.group = group;
    const auto module = make_module(config, options);
    JobContext context;
    initialize(*module, 7, context);
    module->save({folder.path()}, context);
  });
  CHECK(names_in(folder.path()).size() == 2);
  const Json seen = Checkpoint::open(folder.path()).inspect();
  CHECK(seen.at("files").as_array().size() == 1);
  CHECK(seen.at("tensors").as_array().size() == 1);
  CHECK(seen.at("config").is_null());
}
