#include "remote/joined_module.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "distributed/nccl_group.h"
#include "remote/joined_timeline.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "runtime/save.h"
#include "runtime/together.h"

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
  const at::Tensor mine =
      at::tensor({++calls_, static_cast<int64_t>(hash_of(summary)),
                  static_cast<int64_t>(context.cancelled()), static_cast<int64_t>(traced)},
                 at::kLong);
  const at::Tensor all_T4 = [&] {
    const JobContext::Yielded yielded(context);  // others may come to this call much later
    return group_->all_gather(mine.unsqueeze(0));
  }();
  const auto alike = [&](int64_t column) {
    return all_T4.select(1, column).eq(mine[column]).all().item<bool>();
  };
  if (all_T4.select(1, 2).any().item<bool>()) {
    context.checkpoint();  // may know why
    throw Error(ErrorCode::kCancelled, "another rank cancelled the call");
  }
  if (!alike(0) || !alike(1)) {
    throw Error(ErrorCode::kBadInput,
                "expected the same calls with the same inputs in the same order on all ranks but "
                "this is not what another rank calls: " +
                    method + ", call " + std::to_string(calls_));
  }
  for (int64_t rank = 0; rank < group_->size(); ++rank) {
    if (all_T4[rank][3].item<bool>()) return rank;
  }
  return std::nullopt;
}

// Closes the connections, so that ranks which wait for this one are told at once.
void JoinedModule::leave() noexcept {
  if (group_) group_->abort();
  module_.reset();
  group_.reset();
}

std::unique_ptr<Session> JoinedModule::open_session(const std::string& kind, const Json&) {
  throw Error(ErrorCode::kUnsupported, "a model over a launcher's ranks has no sessions, such as " +
                                           kind + ": give tensorParallel, or no group");
}

}  // namespace torchsight
