#include "runtime/load_plan.h"

#include <cmath>
#include <future>

#include "io/checkpoint.h"
#include "runtime/lazy_tensor.h"
#include "runtime/save.h"
#include "tests/files.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

class Plain : public Module {
 public:
  explicit Plain(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {}
  std::vector<Parameter> parameters() override { return parameters_; }
  const at::Tensor& operator[](size_t index) const { return parameters_[index].tensor; }

 private:
  std::vector<Parameter> parameters_;
};

Parameter whole(const std::string& name, std::vector<int64_t> shape, Init init = {},
                at::ScalarType dtype = at::kFloat) {
  const at::Tensor tensor = at::full(shape, -1, dtype);
  return {name, tensor, std::move(shape), init, std::nullopt};
}

Parameter cut(const std::string& name, std::vector<int64_t> shape, Cut part, Init init = {}) {
  std::vector<int64_t> own = shape;
  own[part.dim] = part.length;
  return {name, at::full(own, -1.0), std::move(shape), init, part};
}

at::Tensor counted(std::vector<int64_t> shape) {
  return at::arange(Box::whole(shape).elements(), at::kFloat).view(shape);
}

// A plan of one entry, as TypeScript writes it.
LoadPlan plan_of(const std::string& file, const std::vector<std::string>& tensors,
                 const std::string& steps) {
  Json::Array sources;
  for (const std::string& tensor : tensors) {
    sources.push_back(Json::Object{{"file", file}, {"tensor", tensor}});
  }
  return LoadPlan::from_json(Json::Object{
      {"entries",
       Json::Array{Json::Object{
           {"target", "p"}, {"sources", std::move(sources)}, {"steps", Json::parse(steps)}}}}});
}

struct Case {
  std::vector<std::string> tensors;
  const char* steps;
  std::function<at::Tensor(const std::vector<at::Tensor>&)> expected;
};

const std::vector<Case>& step_cases() {
  static const std::vector<Case> cases{
      {{"m"}, "[]", [](auto t) { return t[0]; }},
      {{"m"},
       R"([{"kind":"slice","dim":1,"begin":2,"end":6}])",
       [](auto t) { return t[0].slice(1, 2, 6); }},
      {{"c"}, R"([{"kind":"select","dim":1,"begin":2}])", [](auto t) { return t[0].select(1, 2); }},
      {{"m"}, R"([{"kind":"transpose","dim":0,"begin":1}])", [](auto t) { return t[0].t(); }},
      {{"c"},
       R"([{"kind":"permute","shape":[2,0,1]}])",
       [](auto t) {
         return t[0].permute({2, 0, 1});
       }},
      {{"c"},
       R"([{"kind":"reshape","shape":[4,48]}])",
       [](auto t) {
         return t[0].view({4, 48});
       }},
      {{"c"},
       R"([{"kind":"reshape","shape":[24,8]}])",
       [](auto t) {
         return t[0].view({24, 8});
       }},
      {{"m"},
       R"([{"kind":"reshape","shape":[6,2,4]}])",
       [](auto t) {
         return t[0].view({6, 2, 4});
       }},
      {{"m"},
       R"([{"kind":"reshape","shape":[4,12]}])",
       [](auto t) {
         return t[0].view({4, 12});
       }},
      {{"c"},
       R"([{"kind":"reshape","shape":[4,48]},{"kind":"transpose","dim":0,"begin":1}])",
       [](auto t) {
         return t[0].view({4, 48}).t();
       }},
      {{"c"},
       R"([{"kind":"transpose","dim":0,"begin":1},{"kind":"reshape","shape":[6,32]}])",
       [](auto t) {
         return t[0].transpose(0, 1).reshape({6, 32});
       }},
      {{"m", "n"}, R"([{"kind":"concat","dim":0}])", [](auto t) { return at::cat(t, 0); }},
      {{"m", "n", "m"}, R"([{"kind":"concat","dim":1}])", [](auto t) { return at::cat(t, 1); }},
      {{"m", "n"}, R"([{"kind":"stack","dim":1}])", [](auto t) { return at::stack(t, 1); }},
      {{"m", "n"}, R"([{"kind":"stack","dim":2}])", [](auto t) { return at::stack(t, 2); }},
      {{"m", "n"}, R"([{"kind":"add"}])", [](auto t) { return t[0] + t[1]; }},
      {{"m", "n"},
       R"([{"kind":"transpose","dim":0,"begin":1},{"kind":"concat","dim":1},
           {"kind":"slice","dim":1,"begin":3,"end":9},{"kind":"reshape","shape":[4,2,6]}])",
       [](auto t) {
         return at::cat({t[0].t(), t[1].t()}, 1).slice(1, 3, 9).reshape({4, 2, 6});
       }},
  };
  return cases;
}

std::string report_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kBadCheckpoint);
    CHECK(error.reason() == "STRICT_LOAD");
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("steps give what libtorch gives, for whole parameters and for every cut") {
  const TemporaryFolder folder;
  const std::string path = (folder / "x.safetensors").string();
  const NamedTensors tensors{
      {"m", counted({6, 8})}, {"n", counted({6, 8}) * 100}, {"c", counted({4, 6, 8})}};
  write_safetensors(path, tensors);
  JobContext context;
  for (const Case& one : step_cases()) {
    CAPTURE(one.steps);
    std::vector<at::Tensor> sources;
    for (const std::string& name : one.tensors) sources.push_back(*find_tensor(tensors, name));
    const at::Tensor expected = one.expected(sources);
    const LoadPlan plan = plan_of(path, one.tensors, one.steps);
    const std::vector<int64_t> shape = expected.sizes().vec();
    Plain module({whole("p", shape)});
    execute(plan, module, context);
    CHECK(module[0].equal(expected));
    Plain half({whole("p", shape, {}, at::kBFloat16)});
    execute(plan, half, context);
    CHECK(half[0].equal(expected.to(at::kBFloat16)));
    for (int64_t dim = 0; dim < expected.dim(); ++dim) {
      for (int64_t begin = 0; begin < shape[dim]; ++begin) {
        for (int64_t length = 1; begin + length <= shape[dim]; ++length) {
          Plain rank({cut("p", shape, {dim, begin, length})});
          execute(plan, rank, context);
          CHECK(rank[0].equal(expected.narrow(dim, begin, length)));
        }
      }
    }
  }
}

TEST_CASE("pieces in several files are read as the whole, by every cut and through steps") {
  const TemporaryFolder folder;
  const at::Tensor whole_tensor = counted({6, 8});
  JobContext context;
  for (const int64_t dim : {0, 1}) {
    Json::Array files;
    int64_t begin = 0;
    for (const int64_t length : std::vector<int64_t>{1, 3, 2 + 2 * dim}) {
      const auto path = folder / (std::to_string(dim) + std::to_string(begin) + ".safetensors");
      write_safetensors(path, {{"m", whole_tensor.narrow(dim, begin, length)}});
      files.push_back(path.string());
      begin += length;
    }
    for (const char* steps : {"[]", R"([{"kind":"transpose","dim":0,"begin":1},
                                        {"kind":"slice","dim":0,"begin":1,"end":7}])"}) {
      const Json source = Json::Object{{"tensor", "m"}, {"files", files}, {"dim", dim}};
      const Json entry = Json::Object{
          {"target", "p"}, {"sources", Json::Array{source}}, {"steps", Json::parse(steps)}};
      const LoadPlan plan = LoadPlan::from_json(Json::Object{{"entries", Json::Array{entry}}});
      const at::Tensor expected =
          steps[1] == ']' ? whole_tensor : whole_tensor.t().slice(0, 1, 7).contiguous();
      const std::vector<int64_t> shape = expected.sizes().vec();
      for (int64_t along = 0; along < 2; ++along) {
        for (int64_t first = 0; first < shape[along]; ++first) {
          for (int64_t length = 1; first + length <= shape[along]; ++length) {
            Plain rank({cut("p", shape, {along, first, length})});
            execute(plan, rank, context);
            CHECK(rank[0].equal(expected.narrow(along, first, length)));
          }
        }
      }
    }
  }
  // Pieces that do not fit each other, and one that is not there.
  const std::string rows = (folder / "00.safetensors").string();
  const std::string columns = (folder / "10.safetensors").string();
  Plain module({whole("p", {6, 8})});
  LoadPlan plan;
  plan.entries = {{"p", {{"", "m", {rows, columns}, 0}}, {}}};
  CHECK(report_of([&] { execute(plan, module, context); }).find("cannot be joined") !=
        std::string::npos);
  plan.entries = {{"p", {{"", "n", {rows, columns}, 0}}, {}}};
  CHECK(report_of([&] { execute(plan, module, context); }).find("there is no \"n\"") !=
        std::string::npos);
}

TEST_CASE("a cut through a reshape reads its own part alone") {
  const auto part = [](std::vector<int64_t> from, std::vector<int64_t> to, int64_t dim,
                       int64_t begin, int64_t length) {
    const auto [box, exact] =
        reshaped_part(from, to, Box::whole(to).part(static_cast<size_t>(dim), begin, length));
    return std::pair(exact ? box.elements() : -1, box.begin);
  };
  // Heads of [D, H, d] seen as columns of [D, H*d].
  CHECK(part({10, 4, 8}, {10, 32}, 1, 8, 16) ==
        std::pair<int64_t, std::vector<int64_t>>(160, {0, 1, 0}));
  CHECK(part({10, 32}, {10, 4, 8}, 1, 1, 2) ==
        std::pair<int64_t, std::vector<int64_t>>(160, {0, 8}));
  CHECK(part({10, 4, 8}, {10, 32}, 1, 4, 2).first == 20);   // inside of one head
  CHECK(part({10, 4, 8}, {10, 32}, 1, 4, 16).first == -1);  // across heads
  CHECK(part({1, 6, 1}, {6}, 0, 2, 3).first == 3);
}

TEST_CASE("fused memory is filled through views, and shards by name") {
  const TemporaryFolder folder;
  std::vector<TensorOutline> outlines{{"q", at::kFloat, {4, 5}}, {"k", at::kFloat, {4, 5}}};
  write_checkpoint(folder.path(), outlines, 80, [](const TensorOutline& outline) {
    return counted({4, 5}) + (outline.name == "q" ? 0 : 100);
  });
  const at::Tensor fused = at::zeros({8, 5}), columns = at::zeros({4, 10});
  Plain module({{"q", fused.narrow(0, 0, 4), {4, 5}, {}, std::nullopt},
                {"k", fused.narrow(0, 4, 4), {4, 5}, {}, std::nullopt},
                {"q2", columns.narrow(1, 0, 5), {4, 5}, {}, std::nullopt},
                {"k2", columns.narrow(1, 5, 5), {4, 5}, {}, std::nullopt}});
  LoadPlan plan;
  const std::string one = (folder / "model-00001-of-00002.safetensors").string();
  const std::string two = (folder / "model-00002-of-00002.safetensors").string();
  plan.entries = {{"q", {{one, "q"}}, {}},
                  {"k", {{two, "k"}}, {}},
                  {"q2", {{one, "q"}}, {}},
                  {"k2", {{two, "k"}}, {}}};
  JobContext context;
  execute(plan, module, context);
  CHECK(fused.equal(at::cat({counted({4, 5}), counted({4, 5}) + 100}, 0)));
  CHECK(columns.equal(at::cat({counted({4, 5}), counted({4, 5}) + 100}, 1)));
}

TEST_CASE("a strict load reports everything at once") {
  const TemporaryFolder folder;
  const std::string path = (folder / "x.safetensors").string();
  write_safetensors(path, {{"a", counted({2, 3})}, {"b", counted({4})}});
  Plain module({whole("one", {2, 3}), whole("two", {5}), whole("three", {1}), whole("four", {4}),
                whole("five", {9})});
  LoadPlan plan;
  plan.entries = {{"one", {{path, "a"}}, {}},      {"two", {{path, "b"}}, {}},
                  {"three", {{path, "none"}}, {}}, {"four", {{path, "a"}, {path, "b"}}, {}},
                  {"six", {{path, "a"}}, {}},      {"one", {{path, "a"}}, {}}};
  JobContext context;
  const std::string report = report_of([&] { execute(plan, module, context); });
  for (const char* line : {"missing (1):\n    five", "unexpected (1):\n    six",
                           "filled twice (1):\n    one", "two: expected [5] but received [4]",
                           "three: there is no \"none\"", "four: 2 tensors are left"}) {
    CAPTURE(line);
    CHECK(report.find(line) != std::string::npos);
  }
  CHECK(module[0].eq(-1).all().item<bool>());  // nothing was read
  plan.entries = {{"one", {{"/none.safetensors", "a"}}, {}}};
  CHECK(outcome_of([&] { execute(plan, module, context); }) == "NOT_FOUND/NO_SUCH_FILE");
}

TEST_CASE("steps that do not fit are refused") {
  const TemporaryFolder folder;
  const std::string path = (folder / "x.safetensors").string();
  write_safetensors(path, {{"m", counted({6, 8})}, {"v", counted({6})}});
  Plain module({whole("p", {6, 8})});
  JobContext context;
  for (const char* steps :
       {R"([{"kind":"slice","dim":1,"begin":2,"end":9}])", R"([{"kind":"slice","dim":2}])",
        R"([{"kind":"slice","dim":0,"begin":-1,"end":2}])",
        R"([{"kind":"select","dim":0,"begin":6}])", R"([{"kind":"transpose","dim":0,"begin":2}])",
        R"([{"kind":"permute","shape":[0,0]}])", R"([{"kind":"permute","shape":[0]}])",
        R"([{"kind":"reshape","shape":[7,7]}])", R"([{"kind":"reshape","shape":[-6,-8]}])",
        R"([{"kind":"reshape","shape":[4611686018427387904,4611686018427387904]}])"}) {
    CAPTURE(steps);
    report_of([&] { execute(plan_of(path, {"m"}, steps), module, context); });
  }
  for (const char* steps :
       {R"([{"kind":"concat","dim":0}])", R"([{"kind":"stack","dim":3}])", R"([{"kind":"add"}])"}) {
    CAPTURE(steps);
    report_of([&] { execute(plan_of(path, {"m", "v"}, steps), module, context); });
  }
  report_of([&] { execute(plan_of(path, {}, R"([{"kind":"add"}])"), module, context); });
  CHECK(outcome_of([&] { plan_of(path, {"m"}, R"([{"kind":"melt"}])"); }) == "BAD_INPUT");
}

TEST_CASE("progress and cancelling reach a load between its parameters") {
  struct Counting : JobContext {
    int left = 2;
    std::vector<double> done;
    void checkpoint() override {
      if (left-- == 0) throw Error(ErrorCode::kCancelled, "cancelled");
    }
    void progress(const Progress& state) override { done.push_back(state.done / state.total); }
  } context;
  Plain module({whole("a", {4}), whole("b", {4}), whole("c", {8})});
  CHECK(outcome_of([&] { initialize(module, 1, context); }) == "CANCELLED");
  CHECK(context.done == std::vector<double>{0, 0.25});
}

TEST_CASE("random parameters depend on seed, name and full shape alone") {
  const std::vector<int64_t> shape{300, 700};
  const Init normal{Init::Kind::kNormal, 0.02}, xavier{Init::Kind::kXavierUniform};
  const Init lecun{Init::Kind::kLecunNormal};
  JobContext context;
  const auto made = [&](const Init& init, uint64_t seed, const char* name = "w") {
    Plain module({whole(name, shape, init)});
    initialize(module, seed, context);
    return module[0];
  };
  const at::Tensor w = made(normal, 5);
  CHECK(w.equal(made(normal, 5)));
  CHECK_FALSE(w.equal(made(normal, 6)));
  CHECK_FALSE(w.equal(made(normal, 5, "v")));
  CHECK(std::abs(w.std().item<double>() - 0.02) < 2e-4);
  CHECK(std::abs(w.mean().item<double>()) < 2e-4);

  const at::Tensor x = made(xavier, 5);
  const double limit = std::sqrt(6.0 / 1000);
  CHECK(x.abs().max().item<double>() <= limit);
  CHECK(x.abs().max().item<double>() > 0.999 * limit);
  CHECK(std::abs(x.std().item<double>() - limit / std::sqrt(3.0)) < 1e-3 * limit);

  const at::Tensor l = made(lecun, 5);
  const double deviation = std::sqrt(1.0 / 700);  // fan in: the columns
  CHECK(std::abs(l.std().item<double>() - deviation) < 5e-3 * deviation);
  CHECK(l.abs().max().item<double>() <= 2 * deviation / 0.8796);
  CHECK(l.abs().max().item<double>() > 1.9 * deviation / 0.8796);

  for (const Init& init : {normal, xavier, lecun}) {
    const at::Tensor full = made(init, 9);
    for (const Cut& part : {Cut{0, 100, 77}, Cut{1, 3, 350}, Cut{1, 699, 1}, Cut{0, 0, 300}}) {
      Plain rank({cut("w", shape, part, init)});
      initialize(rank, 9, context);
      CHECK(rank[0].equal(full.narrow(part.dim, part.begin, part.length)));
    }
  }
  Plain half({whole("w", shape, normal, at::kBFloat16)});
  initialize(half, 5, context);
  CHECK(half[0].equal(w.to(at::kBFloat16)));

  Plain plain({whole("z", {3}), whole("o", {3}, {Init::Kind::kOnes}),
               whole("c", {3}, {Init::Kind::kConstant, 2.5}), whole("e", {0, 4}, normal)});
  initialize(plain, 5, context);
  CHECK(plain[0].equal(at::zeros({3})));
  CHECK(plain[1].equal(at::ones({3})));
  CHECK(plain[2].equal(at::full({3}, 2.5)));
}

TEST_CASE("a saved module loads into the same values") {
  const TemporaryFolder folder;
  JobContext context;
  const Init normal{Init::Kind::kNormal, 1};
  const auto fresh = [&] {
    return Plain({whole("blocks.0.w", {20, 30}, normal), whole("b", {30}, normal, at::kBFloat16),
                  whole("n", {1}, {}, at::kLong)});
  };
  Plain module = fresh();
  initialize(module, 3, context);
  module.save({folder.path(), 100}, context);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  CHECK(checkpoint.files().size() == 2);
  LoadPlan plan;
  for (const auto& file : checkpoint.files()) {
    for (const TensorInfo& info : file->tensors()) {
      plan.entries.push_back({info.name, {{file->name(), info.name}}, {}});
    }
  }
  Plain again = fresh();
  execute(plan, again, context);
  for (size_t i = 0; i < 3; ++i) CHECK(again[i].equal(module[i]));
  Plain rank({cut("w", {4, 4}, {0, 0, 2})});
  CHECK(outcome_of([&] { rank.save({folder.path()}, context); }) == "UNSUPPORTED");
}

TEST_CASE("a large load stays within the memory of its weights") {
  const TemporaryFolder folder;
  const int64_t rows = 64 << 10, columns = 1 << 10;  // 256 MiB
  const std::string path = (folder / "x.safetensors").string();
  {
    std::vector<TensorOutline> outlines{{"a", at::kFloat, {rows, columns}}};
    SafetensorsWriter writer(path, outlines);
    writer.write("a", at::ones({rows, columns}));
    writer.finish();
  }
  // The same in two pieces that each have some of every row.
  std::vector<std::string> halves;
  for (const char* name : {"left.safetensors", "right.safetensors"}) {
    halves.push_back((folder / name).string());
    write_safetensors(halves.back(), {{"a", at::ones({rows, columns / 2})}});
  }
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const char* steps : {"[]", R"([{"kind":"transpose","dim":0,"begin":1}])", ""}) {
      CAPTURE(std::string(steps));
      const bool pieces = *steps == '\0';
      reset_peak();
      const int64_t before = peak_kib();
      const bool turned = !pieces && steps[1] != ']';
      Plain module(
          {{"p",
            at::empty(turned ? at::IntArrayRef{columns, rows} : at::IntArrayRef{rows, columns},
                      dtype),
            turned ? std::vector{columns, rows} : std::vector{rows, columns},
            {},
            std::nullopt}});
      JobContext context;
      LoadPlan joined;
      joined.entries = {{"p", {{"", "a", halves, 1}}, {}}};
      execute(pieces ? joined : plan_of(path, {"a"}, steps), module, context);
      const int64_t used = peak_kib() - before;
      const auto weights = static_cast<int64_t>(module[0].nbytes() >> 10);
      CAPTURE(std::string(dtype_name(dtype)));
      if (!kSanitized) CHECK(used < weights * 1.15);
      CHECK(module[0].eq(1).all().item<bool>());
    }
  }
}
