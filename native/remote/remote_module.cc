#include "remote/remote_module.h"

#include "remote/ranks.h"
#include "runtime/save.h"

namespace torchsight {
namespace {

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
      size_(std::max<int64_t>(1, request_.json.get("tensorParallel", 1))) {
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
  std::unique_lock starting(starting_, std::defer_lock);
  {
    JobContext::Yielded yielded(context);
    starting.lock();
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

std::unique_lock<std::mutex> RemoteModule::turn(JobContext& context) {
  std::unique_lock held(calls_, std::defer_lock);
  if (size_ > 1) {
    JobContext::Yielded yielded(context);
    held.lock();
  }
  return held;
}

std::vector<int64_t> RemoteModule::pids() {
  std::lock_guard lock(mutex_);
  return ranks_->pids();
}

/// A session that lives in the worker. It ends with the worker: state that is lost cannot be
/// rebuilt by loading again.
class RemoteSession final : public Session {
 public:
  RemoteSession(std::shared_ptr<RemoteModule::Ranks> workers, Json reply)
      : workers_(std::move(workers)),
        session_(reply.at("session").as_int()),
        description_(reply.at("description")) {}

  ~RemoteSession() override {
    try {
      ask("closeSession", {});
    } catch (...) {
      // The worker is gone, and the session with it.
    }
  }

  std::vector<MethodSchema> schemas() const override { return {}; }
  Json describe() const override { return description_; }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    Json body = call_body("sessionCall", method, call.options, {});
    body.set("session", session_);
    return workers_->ask(body, call.inputs, context).tensors;
  }

  NamedTensors snapshot() const override {
    require_one_rank();
    return ask("snapshot", {}).tensors;
  }
  void restore(const NamedTensors& state) override {
    require_one_rank();
    ask("restore", state);
  }

 private:
  // Each rank has a state of its own, and only one of them could be told.
  void require_one_rank() const {
    if (workers_->size() == 1) return;
    throw Error(ErrorCode::kUnsupported,
                "expected a session in one process for a snapshot but this model is sharded");
  }

  Message ask(const char* kind, const NamedTensors& tensors) const {
    JobContext context;
    return workers_->ask(Json(Json::Object{{"kind", kind}, {"session", session_}}), tensors,
                         context);
  }

  std::shared_ptr<RemoteModule::Ranks> workers_;
  int64_t session_;
  Json description_;
};

std::unique_ptr<Session> RemoteModule::open_session(const std::string& kind, const Json& options) {
  JobContext context;
  const auto workers = ranks(context);
  Message reply = workers->ask(
      Json(Json::Object{{"kind", "openSession"}, {"session", kind}, {"options", options}}), {},
      context);
  return std::make_unique<RemoteSession>(workers, std::move(reply.body));
}

}  // namespace torchsight
