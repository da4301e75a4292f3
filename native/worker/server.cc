#include "worker/server.h"

#include <c10/core/DeviceGuard.h>
#include <unistd.h>

#include <limits>

#include "distributed/c10d_group.h"
#include "distributed/gloo_group.h"
#include "distributed/nccl_group.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "runtime/loader.h"
#include "runtime/save.h"
#include "runtime/threads.h"
#include "runtime/whole_session.h"

namespace torchsight {
namespace {

Json reply_body(const char* kind, int64_t id) {
  return Json(Json::Object{{"kind", kind}, {"id", id}});
}

Json error_body(int64_t id, const Error& error) {
  Json told(Json::Object{});
  told.set("code", std::string(to_string(error.code())))
      .set("message", error.what())
      .set("reason", error.reason());
  Json body = reply_body("end", id);
  body.set("error", std::move(told));
  return body;
}

// Sends what happens to one request back over the channel.
class Responder final : public JobObserver {
 public:
  Responder(std::shared_ptr<Channel> channel, int64_t id, std::function<void()> forget)
      : channel_(std::move(channel)), id_(id), forget_(std::move(forget)) {}

  void progress(const Progress& progress) override {
    Json body = reply_body("progress", id_);
    body.set("done", progress.done).set("total", progress.total).set("phase", progress.phase);
    channel_->send(std::move(body));
  }

  void item(NamedTensors tensors) override { channel_->send(reply_body("item", id_), tensors); }

  void finished(std::optional<Error> error, const JobStats&) override {
    forget_();
    if (error) {
      channel_->send(error_body(id_, *error));
      // The next call gets a worker that can use the device again.
      if (error->reason() == kDeviceLostReason) _exit(1);
      return;
    }
    Json body = std::move(reply.body);
    body.set("kind", "end").set("id", id_);
    channel_->send(std::move(body), reply.tensors);
  }

  Message reply;

 private:
  std::shared_ptr<Channel> channel_;
  int64_t id_;
  std::function<void()> forget_;
};

// The group of the ranks that meet at a file. To start takes workers as long as it takes, whatever
// collectives may take afterwards.
std::shared_ptr<Group> join(const std::string& store_path, const GlooOptions& gloo,
                            std::chrono::milliseconds collective, at::Device device) {
  auto store = make_file_store(store_path, gloo.size, gloo.timeout);
  const auto backend = make_gloo_backend(store, gloo);
  backend->setTimeout(collective);
  auto group = make_c10d_group(backend, collective);
  return device.is_cuda() ? make_nccl_group(std::move(store), group, collective, device) : group;
}

}  // namespace

void Server::run() {
  while (auto request = channel_->receive()) dispatch(std::move(*request));
}

void Server::dispatch(Message request) {
  const int64_t id = request.body.at("id").as_int();
  const std::string kind = request.body.at("kind").as_string();
  if (kind == "cancel" || kind == "itemTaken") {
    std::shared_ptr<Job> job;
    {
      std::lock_guard lock(mutex_);
      if (auto found = jobs_.find(id); found != jobs_.end()) job = found->second;
    }
    if (!job) return;
    if (kind == "cancel") {
      job->lane().cancel(job);
    } else {
      job->item_taken();
    }
    return;
  }
  try {
    submit(id, kind, work_for(std::move(request)));
  } catch (...) {
    channel_->send(error_body(id, current_error()));
  }
}

void Server::submit(int64_t id, const std::string& kind, Work work) {
  auto responder = std::make_shared<Responder>(channel_, id, [this, id] {
    std::lock_guard lock(mutex_);
    jobs_.erase(id);
  });
  JobSpec spec;
  spec.observer = responder;
  // A first rank that waits for a slow reader would keep the others waiting for itself.
  if (sharded_) spec.stream_capacity = std::numeric_limits<size_t>::max();
  spec.work = [responder = responder.get(), work = std::move(work)](JobContext& context) {
    responder->reply = work(context);
  };
  // Held while submitting, so that a job that ends at once is not entered after it was forgotten.
  std::lock_guard lock(mutex_);
  // One rank must not do again what the others have done.
  spec.repeatable = kind == "call" && module_ && module_->repeatable() && !group_;
  jobs_[id] = Lane::of(module_ ? module_->device() : at::kCPU).submit(std::move(spec));
}

Server::Work Server::work_for(Message request) {
  const std::string kind = request.body.at("kind").as_string();
  const Json body = request.body;
  auto call = std::make_shared<Call>();
  call->inputs = std::move(request.tensors);
  if (const Json* options = body.find("options")) call->options = *options;
  if (const Json* taps = body.find("taps")) {
    std::vector<std::string> names;
    for (const Json& tap : taps->as_array()) names.push_back(tap.as_string());
    call->taps = Taps(std::move(names));
  }
  if (body.get("trace", false)) call->timeline = std::make_shared<Timeline>();
  if (kind == "load") {
    return [this, body](JobContext& context) { return load(body, context); };
  }
  if (kind == "call") {
    return [module = module(), group = group(), body, call](JobContext& context) {
      Call own = *call;  // the work may be repeated
      Message reply{{}, module->call(body.at("method").as_string(), own, context)};
      if (group) group->finish();
      if (call->timeline) reply.body.set("trace", call->timeline->events());
      return reply;
    };
  }
  if (kind == "save") {
    return [module = module(), body](JobContext& context) {
      const auto shard_bytes = static_cast<uint64_t>(body.at("shardBytes").as_int());
      module->save({body.at("folder").as_string(), shard_bytes, body.at("config").as_string()},
                   context);
      return Message{};
    };
  }
  if (kind == "openSession") {
    return [this, body](JobContext&) { return open_session(body); };
  }
  if (kind == "closeSession") {
    return [this, body](JobContext&) {
      std::lock_guard lock(mutex_);
      sessions_.erase(body.at("number").as_int());
      return Message{};
    };
  }
  auto target = session(body);
  if (kind == "sessionCall") {
    return [target, group = group(), body, call](JobContext& context) {
      Message reply{{}, target->call(body.at("method").as_string(), *call, context)};
      if (group) group->finish();
      return reply;
    };
  }
  if (kind == "snapshot") {
    if (sharded_) require_whole(target->session());
    return [target](JobContext& context) { return Message{{}, target->snapshot(context)}; };
  }
  if (kind == "restore") {
    if (sharded_) require_whole(target->session());
    return [target, call](JobContext& context) {
      target->restore(call->inputs, context);
      return Message{};
    };
  }
  throw Error(ErrorCode::kInternal, "unknown request " + kind);
}

std::shared_ptr<Module> Server::module() {
  std::lock_guard lock(mutex_);
  if (!module_) throw Error(ErrorCode::kInternal, "no module is loaded");
  return module_;
}

std::shared_ptr<Group> Server::group() {
  std::lock_guard lock(mutex_);
  return group_;
}

std::shared_ptr<SharedSession> Server::session(const Json& body) {
  const int64_t number = body.at("number").as_int("number");
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) throw Error(ErrorCode::kDisposed, "the session is closed");
  return found->second;
}

Message Server::load(const Json& body, JobContext& context) {
  LoadRequest request(body.at("request"));
  const int64_t rank = body.at("rank").as_int(), size = body.at("size").as_int();
  const at::Device device =
      device_of_rank(request.options.device, request.json.get("replica", 0) * size + rank,
                     request.json.get("dataParallel", 1) * size);
  request.options.device = device;
  const c10::OptionalDeviceGuard guard(is_accelerator(device) ? std::optional(device)
                                                              : std::nullopt);
  set_intraop_threads(static_cast<int>(request.json.get("threads", 0)));
  GlooOptions gloo;
  gloo.rank = rank;
  gloo.size = size;
  const std::chrono::milliseconds collective(
      request.json.get("collectiveTimeout", static_cast<int64_t>(gloo.timeout.count())));
  if (gloo.size > 1) {
    sharded_ = true;
    request.options.group = join(body.at("store").as_string(), gloo, collective, device);
  }
  collective_ = collective;
  std::shared_ptr<Module> module = load_here(request, context);
  Json description = module->describe();
  {
    std::lock_guard lock(mutex_);
    module_ = std::move(module);
    group_ = request.options.group;
  }
  return {Json(Json::Object{{"description", std::move(description)}}), {}};
}

Message Server::open_session(const Json& body) {
  const auto owner = module();
  if (const Json* seat = body.find("replicas")) {
    GlooOptions gloo;
    gloo.rank = seat->at("replica").as_int("replica");
    gloo.size = seat->at("size").as_int("size");
    // Ranks that hold the same part meet.
    const std::string store =
        seat->at("store").as_string("store") + "-" + std::to_string(body.at("rank").as_int());
    ModuleOptions options = owner->options();
    options.replicas = join(store, gloo, collective_, options.device);
    owner->set_options(std::move(options));
  }
  auto opened = std::make_shared<SharedSession>(
      owner, owner->open_session(body.at("session").as_string(), body.at("options")));
  Json reply(Json::Object{{"description", opened->describe()}});
  std::lock_guard lock(mutex_);
  sessions_.emplace(body.at("number").as_int("number"), std::move(opened));
  return {std::move(reply), {}};
}

}  // namespace torchsight
