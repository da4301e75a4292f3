#include "remote/joined_module.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "distributed/nccl_group.h"
#include "remote/joined_timeline.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "runtime/save.h"
#include "runtime/together.h"
#include "runtime/whole_session.h"

namespace torchsight {
namespace {

/// What follows from the call itself happens on all ranks alike, before they exchange anything or
/// together; all else may have happened to this one alone.
bool alike_on_all_ranks(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kBadInput:
    case ErrorCode::kShape:
    case ErrorCode::kDtype:
    case ErrorCode::kUnsupported:
    case ErrorCode::kBadConfig:
    case ErrorCode::kDiverged:
    case ErrorCode::kCancelled:
    case ErrorCode::kDeadline:
      return true;
    default:
      return false;
  }
}

size_t hash_of(std::string_view bytes) {
  return std::hash<std::string_view>{}(bytes);
}

std::string contents_of(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  return std::to_string(hash_of({static_cast<const char*>(host.const_data_ptr()), host.nbytes()}));
}

/// What tells calls apart. Contents are part of it: a rank that left out a call, such as one that
/// was cancelled before it was submitted, would else take the next one for it.
std::string summary_of(const std::string& method, const Call& call) {
  std::string text = method + call.options.dump();
  for (const std::string& tap : call.taps.wanted()) text.append("\n").append(tap);
  for (const auto& [name, tensor] : call.inputs) {
    text.append("\n").append(name).append(" ").append(dtype_name(tensor.scalar_type()));
    for (const int64_t size : tensor.sizes()) text.append(" ").append(std::to_string(size));
    text.append(" ").append(contents_of(tensor));
  }
  return text;
}

/// What ranks think of one call, asked for in one group after the other.
class Agreement {
 public:
  Agreement(JobContext& context, bool traced)
      : context_(context), cancelled_(context.cancelled()), traced_(traced) {}

  /// Whether all of `group` make call `number` with the same `summary`, and what they know so far.
  /// Returns which of them are traced.
  at::Tensor ask(Group& group, int64_t number, const std::string& summary) {
    const auto flag = [](bool value) { return static_cast<int64_t>(value); };
    const at::Tensor mine = at::tensor({number, static_cast<int64_t>(hash_of(summary)),
                                        flag(cancelled_), flag(traced_), flag(alike_)},
                                       at::kLong);
    const at::Tensor all_T5 = [&] {
      const JobContext::Yielded yielded(context_);  // others may come to this call much later
      return group.all_gather(mine.unsqueeze(0));
    }();
    const at::Tensor same_5 = all_T5.eq(mine).all(0);
    cancelled_ = all_T5.select(1, 2).any().item<bool>();
    alike_ =
        all_T5.select(1, 4).all().item<bool>() && same_5[0].item<bool>() && same_5[1].item<bool>();
    return all_T5.select(1, 3);
  }

  /// Throws where one was cancelled or they differ.
  void conclude(const std::string& method, int64_t number) const {
    if (cancelled_) {
      context_.checkpoint();  // may know why
      throw Error(ErrorCode::kCancelled, "another rank cancelled the call");
    }
    if (alike_) return;
    throw Error(ErrorCode::kBadInput,
                "expected the same calls with the same inputs in the same order on all ranks but "
                "this is not what another rank calls: " +
                    method + ", call " + std::to_string(number));
  }

 private:
  JobContext& context_;
  bool cancelled_, traced_;
  bool alike_ = true;
};

[[noreturn]] void throw_told(const Json& failure) {
  throw Error(error_code_from_string(failure.at("code").as_string()),
              failure.at("message").as_string(), failure.at("reason").as_string());
}

}  // namespace

JoinedModule::JoinedModule(LoadRequest request, JobContext& context) {
  Launch launch = Launch::from_json(request.json.at("join"));
  rank_ = launch.rank;
  const auto limit = static_cast<int64_t>(launch.collective_timeout.count());
  launch.collective_timeout =
      std::chrono::milliseconds(request.json.get("collectiveTimeout", limit));
  launch.device = device_of_process(request.options.device, launch.local_rank);
  if (launch.device.is_cuda() && launch.together > 1) require_nccl();
  request.options.device = launch.device;
  set_options({.device = launch.device, .dtype = request.options.dtype});
  const c10::OptionalDeviceGuard guard(is_accelerator(launch.device) ? std::optional(launch.device)
                                                                     : std::nullopt);
  JoinedGroup joined = join(launch, context);
  request.options.group = joined.group;
  std::optional<Error> failure;
  try {
    // Ranks that cannot load have come to tell it.
    together(joined.group.get(), context, [&](JobContext&) {
      if (const Json* told = request.json.find("failure")) throw_told(*told);
    });
    module_ = load_here(request, context);
    description_ = module_->describe();
  } catch (...) {
    failure = current_error();
  }
  // A load that was cancelled after all had met is seen by all here.
  const bool failed = [&] {
    const JobContext::Yielded yielded(context);
    return joined.patient && joined.patient->agree(failure.has_value());
  }();
  if (failure) throw *failure;
  if (failed) {
    throw Error(ErrorCode::kRankFailed, "another rank could not load the model and says why");
  }
  group_ = std::move(joined.group);
  replicas_ = std::move(joined.replicas);
  first_replica_ = launch.rank < launch.together;
}

Module& JoinedModule::module() const {
  if (module_) return *module_;
  throw Error(ErrorCode::kRankFailed,
              "the group of this model ended with an earlier call: load it anew on all ranks");
}

NamedTensors JoinedModule::call(const std::string& method, Call& call, JobContext& context) {
  try {
    const auto writer = agree(method, summary_of(method, call), call.timeline != nullptr, context);
    if (writer && !call.timeline) call.timeline = std::make_shared<Timeline>();
    if (writer) call.timeline->set_rank(rank_);
    const auto met = Timeline::Clock::now();
    NamedTensors results = module().call(method, call, context);
    if (group_) group_->finish();
    if (group_ && writer) {
      const JobContext::Yielded yielded(context);
      // Processes that reach each other by loopback have one clock.
      join_timelines(*group_, *call.timeline, network_of_this_process(), met);
      if (*writer != group_->rank()) call.timeline.reset();
    }
    return results;
  } catch (...) {
    const Error error = current_error();
    if (group_ && !alike_on_all_ranks(error.code())) leave();
    throw error;
  }
}

void JoinedModule::save(const SaveOptions& options, JobContext& context) {
  try {
    const std::string what = "save " + options.folder.string() + "\n" + options.config;
    agree("save", what, /*traced=*/false, context);
    if (first_replica_) module().save(options, context);
  } catch (...) {
    const Error error = current_error();
    // All else is thrown on all ranks alike.
    const bool lost =
        error.code() == ErrorCode::kRankFailed || error.code() == ErrorCode::kCollectiveTimeout;
    if (group_ && lost) leave();
    throw error;
  }
}

// Throws on all ranks or on none, but where one is lost.
std::optional<int64_t> JoinedModule::agree(const std::string& method, const std::string& summary,
                                           bool traced, JobContext& context) {
  if (!group_) return traced ? std::optional<int64_t>(0) : std::nullopt;
  Agreement agreement(context, traced);
  const at::Tensor traced_T = agreement.ask(*group_, ++calls_, summary);
  agreement.conclude(method, calls_);
  for (int64_t rank = 0; rank < group_->size(); ++rank) {
    if (traced_T[rank].item<bool>()) return rank;
  }
  return std::nullopt;
}

void JoinedModule::agree_with_replicas(const std::string& method, const std::string& summary,
                                       JobContext& context) {
  const int64_t number = ++calls_of_sessions_;
  Agreement agreement(context, /*traced=*/false);
  if (group_) agreement.ask(*group_, number, summary);
  if (replicas_) agreement.ask(*replicas_, number, method);
  agreement.conclude(method, number);
}

// Closes the connections, so that ranks which wait for this one are told at once.
void JoinedModule::leave() noexcept {
  if (group_) group_->abort();
  if (replicas_) replicas_->abort();
  module_.reset();
  group_.reset();
  replicas_.reset();
}

/// A session of which each process has its own rank's. It ends with the group.
class JoinedModule::JoinedSession final : public WholeSession {
 public:
  JoinedSession(JoinedModule& owner, std::unique_ptr<Session> session)
      : owner_(owner), module_(owner.module_), session_(std::move(session)) {}

  std::vector<MethodSchema> schemas() const override {
    return session_ ? session_->schemas() : std::vector<MethodSchema>{};
  }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    return together(method, summary_of(method, call), context, [&] {
      NamedTensors results = session_->call(method, call, context);
      if (owner_.group_) owner_.group_->finish();
      return results;
    });
  }

  NamedTensors snapshot() const override {
    JobContext context;
    return together("snapshot", "snapshot", context, [&] { return session_->snapshot(); });
  }

  void restore(const NamedTensors& state) override {
    JobContext context;
    together("restore", "restore", context, [&] {
      session_->restore(state);
      return NamedTensors{};
    });
  }

 private:
  NamedTensors together(const std::string& method, const std::string& summary, JobContext& context,
                        const std::function<NamedTensors()>& work) const {
    try {
      owner_.module();
      owner_.agree_with_replicas(method, summary, context);
      return work();
    } catch (...) {
      const Error error = current_error();
      if (!alike_on_all_ranks(error.code())) {
        // What it has of the group must be closed as well.
        session_.reset();
        module_.reset();
        owner_.leave();
      }
      throw error;
    }
  }

  JoinedModule& owner_;  // outlives its sessions
  // Null once the group has come to an end.
  mutable std::shared_ptr<Module> module_;  // outlives its session
  mutable std::unique_ptr<Session> session_;
};

std::unique_ptr<Session> JoinedModule::open_session(const std::string& kind, const Json& options) {
  if (kind != "trainer") {
    throw Error(ErrorCode::kUnsupported,
                "a model over a launcher's ranks has no sessions but trainers, such as " + kind +
                    ": give tensorParallel, or no group");
  }
  ModuleOptions own = module().options();
  own.replicas = replicas_;
  module_->set_options(std::move(own));
  JobContext context;
  agree_with_replicas("open a trainer " + options.dump(), options.dump(), context);
  return std::make_unique<JoinedSession>(*this, module_->open_session(kind, options));
}

}  // namespace torchsight
