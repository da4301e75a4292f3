#include "remote/data_parallel.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <random>

#include "runtime/error.h"
#include "runtime/timeline.h"
#include "runtime/whole_session.h"

namespace torchsight {
namespace {

const Json& method_of(const Json& description, const std::string& name) {
  for (const Json& method : description.at("methods").as_array()) {
    if (method.at("name").as_string() == name) return method;
  }
  throw Error(ErrorCode::kNotFound, "the model has no method \"" + name + "\"");
}

const Json* spec_of(const Json& specs, const std::string& name) {
  for (const Json& spec : specs.as_array()) {
    if (spec.at("name").as_string() == name) return &spec;
  }
  return nullptr;
}

/// What the schema calls the number of entries of a tensor that is a batch; empty where it is none.
std::string batch_symbol(const Json& spec) {
  const int64_t axis = spec.at("batchAxis").as_int();
  return axis < 0 ? "" : spec.at("shape").as_array().at(axis).as_string();
}

/// What a method calls the number of entries that its calls are cut by; empty where it has none.
/// Other inputs may be batches by another name, such as texts beside pictures.
std::string batch_symbol_of(const Json& inputs) {
  for (const Json& spec : inputs.as_array()) {
    if (std::string symbol = batch_symbol(spec); !symbol.empty()) return symbol;
  }
  return "";
}

/// The dimension, from the last one, that has an entry ("B") or several ("B*Q") for each of the
/// batch; 0 where there is none.
int64_t batch_dim(const Json& spec, const std::string& symbol) {
  const Json::Array& shape = spec.at("shape").as_array();
  for (size_t i = 0; i < shape.size() && !symbol.empty(); ++i) {
    const std::string& entry = shape[i].as_string();
    if (entry != symbol && entry.rfind(symbol + "*", 0) != 0) continue;
    return static_cast<int64_t>(i) - static_cast<int64_t>(shape.size());
  }
  return 0;
}

/// Whether the first dimension is the batch, whatever others there are.
bool leads_with_batch(const Json& spec) {
  const Json::Array& shape = spec.at("shape").as_array();
  return spec.at("batchAxis").as_int() == 0 && !shape.empty() && shape[0].as_string() == "...";
}

/// An input that is cut.
struct Cuttable {
  size_t index;
  int64_t dim;   // from the last one
  int64_t each;  // entries for each of the batch
};

/// How a call is cut.
struct Batch {
  int64_t size = -1;  // -1: there is none, or what is given does not fit together
  std::vector<Cuttable> inputs;
};

Batch batch_of(const Json& specs, const std::string& symbol, const NamedTensors& inputs) {
  Batch batch;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Json* spec = spec_of(specs, inputs[i].first);
    int64_t dim = spec ? batch_dim(*spec, symbol) : 0;
    if (spec && dim == 0 && leads_with_batch(*spec)) dim = -inputs[i].second.dim();
    if (dim == 0) continue;
    if (inputs[i].second.dim() < -dim) return {};
    batch.inputs.push_back({i, dim, 0});
    if (batch_symbol(*spec) == symbol) batch.size = inputs[i].second.size(dim);
  }
  for (Cuttable& input : batch.inputs) {
    const int64_t entries = inputs[input.index].second.size(input.dim);
    if (batch.size < 1 || entries % batch.size != 0) return {};
    input.each = entries / batch.size;
  }
  return batch;
}

/// Leaves each of `parts`, copies of one call, its share of the batch.
void divide(const Batch& batch, std::vector<Call>& parts) {
  const auto count = static_cast<int64_t>(parts.size());
  for (int64_t r = 0; r < count; ++r) {
    const int64_t begin = batch.size * r / count, end = batch.size * (r + 1) / count;
    for (const auto& [index, dim, each] : batch.inputs) {
      at::Tensor& tensor = parts[r].inputs[index].second;
      tensor = tensor.narrow(dim, begin * each, (end - begin) * each).contiguous();
    }
  }
}

/// A file for a meeting, which is removed after it.
class MeetingPlace {
 public:
  MeetingPlace() {
    std::random_device random;
    const std::string name = "torchsight-" + std::to_string(random()) + std::to_string(random());
    path_ = std::filesystem::temp_directory_path() / name;
  }
  ~MeetingPlace() {
    std::error_code ignored;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      std::filesystem::remove(path_.string() + "-" + std::to_string(rank), ignored);
    }
  }
  MeetingPlace(const MeetingPlace&) = delete;
  MeetingPlace& operator=(const MeetingPlace&) = delete;

  std::string path() const { return path_.string(); }
  int64_t ranks = 1;  // for each of which there is one

 private:
  std::filesystem::path path_;
};

/// The dimension along which the replicas' results are joined; none where all have the same one:
/// that of a batch by another name, of which each was given the whole.
std::optional<int64_t> joining_dim(const Json& method, const std::string& output,
                                   const std::string& symbol) {
  const Json* spec = spec_of(method.at("outputs"), output);
  std::string other;
  if (spec) {
    if (const int64_t dim = batch_dim(*spec, symbol)) return dim;
    other = batch_symbol(*spec);
  }
  bool whole = false;  // whether an input is such a batch
  for (const Json& input : method.at("inputs").as_array()) {
    const std::string one = batch_symbol(input);
    whole |= spec ? !other.empty() && one == other : !one.empty() && batch_dim(input, symbol) == 0;
  }
  // Taps, which no schema tells of, begin with the batch, but with which one of two?
  if (!spec && !whole) return 0;
  if (spec && whole) return std::nullopt;
  throw Error(
      ErrorCode::kUnsupported,
      "expected results that are batches from a data-parallel model but received " + output);
}

}  // namespace

DataParallel::DataParallel(std::vector<std::shared_ptr<Replica>> replicas, int64_t ranks)
    : replicas_(std::move(replicas)),
      ranks_(ranks),
      description_(replicas_.front()->describe()),
      team_(static_cast<int64_t>(replicas_.size()), 1) {}

NamedTensors DataParallel::call(const std::string& name, Call& call, JobContext& context) {
  const Json& method = method_of(description_, name);
  const std::string symbol = batch_symbol_of(method.at("inputs"));
  // What does not fit together is left to one replica, which refuses it as any module does.
  const Batch batch = batch_of(method.at("inputs"), symbol, call.inputs);
  if (batch.size > 1 && !method.at("stream").as_array().empty()) {
    throw Error(ErrorCode::kUnsupported,
                "expected a batch of 1 for a method that streams, from a data-parallel model, but "
                "received " +
                    std::to_string(batch.size));
  }
  // Without a batch, or with a small one, some replicas have nothing to do.
  const int64_t busy = std::clamp<int64_t>(batch.size, 1, team_.size());
  std::vector<Call> parts(busy, call);
  if (busy > 1) divide(batch, parts);
  std::vector<NamedTensors> results(busy);
  const JobContext::Yielded yielded(context);
  const Gate::Place turn = calls_.enter(context);
  run(
      [&](int64_t replica, JobContext& mine) {
        if (replica >= busy) return;
        if (call.timeline) parts[replica].timeline = std::make_shared<Timeline>();
        results[replica] = replicas_[replica]->call(name, parts[replica], mine);
      },
      context);
  for (int64_t r = 0; call.timeline && r < busy; ++r) {
    call.timeline->merge(parts[r].timeline->events(), r * ranks_);
  }
  if (busy == 1) return std::move(results.front());
  NamedTensors joined;
  for (size_t i = 0; i < results.front().size(); ++i) {
    const std::string& output = results.front()[i].first;
    const std::optional<int64_t> dim = joining_dim(method, output, symbol);
    std::vector<at::Tensor> pieces;
    for (NamedTensors& result : results) pieces.push_back(std::move(result[i].second));
    joined.emplace_back(output, dim ? at::cat(pieces, *dim) : std::move(pieces.front()));
  }
  return joined;
}

void DataParallel::run(const std::function<void(int64_t replica, JobContext& context)>& work,
                       JobContext& context) {
  const auto errors = team_.run(work, context, [] {});
  // Replicas that wait for one that is lost fail as well, but do not know why.
  const Error* cause = nullptr;
  for (const auto& error : errors) {
    if (!error) continue;
    const bool waited =
        error->code() == ErrorCode::kRankFailed || error->code() == ErrorCode::kCollectiveTimeout;
    if (!waited) throw *error;
    if (!cause || cause->code() == ErrorCode::kCollectiveTimeout) cause = &*error;
  }
  if (cause) throw *cause;
}

/// One session for each replica, which all make the same calls, each with its share of a batch, and
/// tell the same results.
class DataParallel::Sessions final : public WholeSession {
 public:
  Sessions(DataParallel& owner, const std::string& kind, const Json& options)
      : owner_(owner), sessions_(owner.replicas_.size()) {
    const auto size = static_cast<int64_t>(sessions_.size());
    MeetingPlace place;
    place.ranks = owner.ranks_;
    std::vector<ReplicaSeat> seats(size);
    for (int64_t r = 0; r < size; ++r) seats[r] = {r, size, place.path()};
    if (owner.replicas_.front()->of_threads()) {
      for (int64_t rank = 0; rank < owner.ranks_; ++rank) {
        const auto groups = make_local_groups(size);
        for (int64_t r = 0; r < size; ++r) seats[r].groups.push_back(groups[r]);
      }
    }
    JobContext context;
    owner.run(
        [&](int64_t replica, JobContext&) {
          sessions_[replica] =
              owner.replicas_[replica]->open_session(kind, options, seats[replica]);
        },
        context);
    description_ = sessions_.front()->describe();
  }

  std::vector<MethodSchema> schemas() const override { return sessions_.front()->schemas(); }
  Json describe() const override { return description_; }

  NamedTensors call(const std::string& name, Call& call, JobContext& context) override {
    std::vector<Call> parts(sessions_.size(), call);
    for (const Json& method : description_.as_array()) {
      if (method.at("name").as_string() == name) share(method.at("inputs"), call, parts);
    }
    std::vector<NamedTensors> results(sessions_.size());
    on_all(context, [&](int64_t replica, JobContext& mine) {
      results[replica] = sessions_[replica]->call(name, parts[replica], mine);
    });
    return std::move(results.front());
  }

  NamedTensors snapshot() const override {
    std::vector<NamedTensors> states(sessions_.size());
    JobContext context;
    on_all(context,
           [&](int64_t replica, JobContext&) { states[replica] = sessions_[replica]->snapshot(); });
    return std::move(states.front());
  }

  void restore(const NamedTensors& state) override {
    JobContext context;
    on_all(context, [&](int64_t replica, JobContext&) { sessions_[replica]->restore(state); });
  }

 private:
  // What does not fit together is left to the replicas, which all refuse it as any session does.
  void share(const Json& inputs, const Call& call, std::vector<Call>& parts) const {
    const Batch batch = batch_of(inputs, batch_symbol_of(inputs), call.inputs);
    if (batch.size < 0) return;
    if (batch.size < static_cast<int64_t>(parts.size())) {
      throw Error(ErrorCode::kShape,
                  "expected a batch of at least " + std::to_string(parts.size()) +
                      " (dataParallel) but received " + std::to_string(batch.size));
    }
    divide(batch, parts);
  }

  void on_all(JobContext& context,
              const std::function<void(int64_t replica, JobContext& context)>& work) const {
    const JobContext::Yielded yielded(context);
    const Gate::Place turn = owner_.calls_.enter(context);
    try {
      owner_.run(work, context);
    } catch (const Error& error) {
      // A replica of one rank does not know that it is one of several.
      if (error.code() != ErrorCode::kWorkerFailed) throw;
      throw Error(ErrorCode::kRankFailed, std::string("a replica failed: ") + error.what());
    }
  }

  DataParallel& owner_;  // outlives its sessions
  std::vector<std::unique_ptr<Session>> sessions_;
  Json description_;
};

std::unique_ptr<Session> DataParallel::open_session(const std::string& kind, const Json& options) {
  if (kind != "trainer") return Module::open_session(kind, options);
  return std::make_unique<Sessions>(*this, kind, options);
}

void DataParallel::save(const SaveOptions& options, JobContext& context) {
  replicas_.front()->save(options, context);
}

}  // namespace torchsight
