#include "remote/remote_module.h"

#include "remote/ranks.h"
#include "runtime/save.h"

namespace torchsight {
namespace {

// Milliseconds, as collectives have by default.
constexpr int64_t kLimit = 30'000;
// Bytes that any machine copies in a millisecond: a large state takes longer than a collective may.
constexpr int64_t kBytesInMillisecond = 100'000;
// How long a worker has to take a cancel while JavaScript waits.
constexpr std::chrono::milliseconds kCancelWhileWaiting(2000);

Json call_body(const char* kind, const std::string& method, const Json& options,
               const std::vector<std::string>& taps) {
  Json names(Json::Array{});
  for (const std::string& tap : taps) names.push_back(tap);
  return Json(Json::Object{
      {"kind", kind}, {"method", method}, {"options", options}, {"taps", std::move(names)}});
}

}  // namespace

RemoteModule::RemoteModule(LoadRequest request, JobContext& context)
    : request_(std::move(request)),
      size_(std::max<int64_t>(1, request_.json.get("tensorParallel", 1))),
      limit_(request_.json.get("collectiveTimeout", kLimit)) {
  start(context);
}

RemoteModule::~RemoteModule() = default;

void RemoteModule::start(JobContext& context) {
  Json request = request_.json;
  if (const Json* program = request.find("program")) {
    // A worker may be killed at any time: what it unpacks is removed here.
    scratch_ = std::make_unique<Scratch>();
    Json given = *program;
    request.set("program", given.set("scratch", scratch_->path().string()));
  }
  auto ranks = std::make_shared<Ranks>(size_);
  const Message reply =
      ranks->ask(Json(Json::Object{{"kind", "load"}, {"request", request}}), {}, context);
  description_ = reply.body.at("description");
  std::lock_guard lock(mutex_);
  ranks_ = std::move(ranks);
}

std::shared_ptr<RemoteModule::Ranks> RemoteModule::ranks(JobContext& context) {
  Gate::Place starting;
  {
    const JobContext::Yielded yielded(context);
    starting = starting_.enter(context);
  }
  {
    std::lock_guard lock(mutex_);
    if (ranks_->alive()) return ranks_;
  }
  start(context);
  std::lock_guard lock(mutex_);
  return ranks_;
}

NamedTensors RemoteModule::call(const std::string& method, Call& call, JobContext& context) {
  const auto held = turn(context);
  Json body = call_body("call", method, call.options, call.taps.wanted());
  if (call.timeline) body.set("trace", true);
  return ranks(context)->ask(body, call.inputs, context, call.timeline.get()).tensors;
}

void RemoteModule::save(const SaveOptions& options, JobContext& context) {
  const auto held = turn(context);
  ranks(context)->ask(Json(Json::Object{{"kind", "save"},
                                        {"folder", options.folder.string()},
                                        {"shardBytes", static_cast<int64_t>(options.shard_bytes)},
                                        {"config", options.config}}),
                      {}, context);
}

Gate::Place RemoteModule::turn(JobContext& context) {
  if (size_ == 1) return {};
  const JobContext::Yielded yielded(context);
  return calls_.enter(context);
}

std::vector<int64_t> RemoteModule::pids() {
  std::lock_guard lock(mutex_);
  return ranks_->pids();
}

/// A session that lives in the workers. It ends with them: state that is lost cannot be rebuilt by
/// loading again.
class RemoteSession final : public Session {
 public:
  RemoteSession(RemoteModule& owner, std::shared_ptr<RemoteModule::Ranks> workers,
                const std::string& kind, const Json& options, const ReplicaSeat* seat)
      : owner_(owner), workers_(std::move(workers)), number_(workers_->next_session()) {
    Json body(Json::Object{{"session", kind}, {"options", options}});
    if (seat) {
      body.set(
          "replicas",
          Json::Object{{"replica", seat->replica}, {"size", seat->size}, {"store", seat->store}});
    }
    try {
      description_ = ask("openSession", std::move(body), {}).body.at("description");
    } catch (...) {
      close();  // some ranks may have opened it
      throw;
    }
  }

  ~RemoteSession() override { close(); }

  std::vector<MethodSchema> schemas() const override { return {}; }
  Json describe() const override { return description_; }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    const auto held = owner_.turn(context);
    Json body = call_body("sessionCall", method, call.options, {});
    body.set("number", number_);
    return workers_->ask(body, call.inputs, context).tensors;
  }

  NamedTensors snapshot() const override { return ask("snapshot", Json::Object{}, {}).tensors; }
  void restore(const NamedTensors& state) override { ask("restore", Json::Object{}, state); }

 private:
  Message ask(const char* kind, Json body, const NamedTensors& tensors) const {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : tensors) bytes += static_cast<int64_t>(tensor.nbytes());
    LimitedContext context(owner_.limit_ + std::chrono::milliseconds(bytes / kBytesInMillisecond));
    body.set("kind", kind).set("number", number_);
    try {
      return workers_->ask(body, tensors, context, nullptr, kCancelWhileWaiting);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) context.checkpoint();
      throw;
    }
  }

  void close() const {
    workers_->tell(Json(Json::Object{{"kind", "closeSession"}, {"number", number_}}));
  }

  RemoteModule& owner_;  // outlives its sessions
  std::shared_ptr<RemoteModule::Ranks> workers_;
  int64_t number_;
  Json description_;
};

std::unique_ptr<Session> RemoteModule::open_session(const std::string& kind, const Json& options) {
  JobContext context;
  return std::make_unique<RemoteSession>(*this, ranks(context), kind, options, nullptr);
}

std::unique_ptr<Session> RemoteModule::open_session(const std::string& kind, const Json& options,
                                                    const ReplicaSeat& seat) {
  JobContext context;
  return std::make_unique<RemoteSession>(*this, ranks(context), kind, options, &seat);
}

}  // namespace torchsight
