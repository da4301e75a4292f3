#include "remote/local_ranks.h"

#include "runtime/accelerator.h"
#include "runtime/steady.h"
#include "runtime/whole_session.h"

namespace torchsight {

LocalRanks::LocalRanks(LoadRequest request, int64_t size, JobContext& context)
    : request_(std::move(request)), team_(size, static_cast<int>(request_.json.get("threads", 1))) {
  // All threads share one device.
  request_.options.device = require_device(request_.options.device);
  set_options({.device = request_.options.device, .dtype = request_.options.dtype});
  load(context);
}

void LocalRanks::load(JobContext& context) {
  groups_ = make_local_groups(team_.size());
  Ranks loaded(team_.size());
  run(
      [&](int64_t rank, JobContext& mine) {
        LoadRequest request = request_;
        request.options.group = groups_[rank];
        loaded[rank] = load_here(request, mine);
      },
      context);
  {
    std::lock_guard lock(mutex_);
    ranks_ = std::move(loaded);
  }
  broken_ = false;
}

NamedTensors LocalRanks::call(const std::string& method, Call& call, JobContext& context) {
  return call_all(call, context, [&](int64_t rank, Call& own, JobContext& mine) {
    return ranks_[rank]->call(method, own, mine);
  });
}

NamedTensors LocalRanks::call_all(Call& call, JobContext& context, const Calls& make) {
  const auto held = turn(context);
  std::vector<Call> calls(team_.size(), call);
  std::vector<NamedTensors> results(team_.size());
  run(
      [&](int64_t rank, JobContext& mine) {
        if (call.timeline) calls[rank].timeline = std::make_shared<Timeline>();
        results[rank] = make(rank, calls[rank], mine);
      },
      context);
  for (int64_t rank = 0; call.timeline && rank < team_.size(); ++rank) {
    call.timeline->merge(calls[rank].timeline->events(), rank);
  }
  return std::move(results.front());
}

class LocalRanks::Sessions final : public WholeSession {
 public:
  Sessions(LocalRanks& owner, const std::string& kind, const Json& options)
      : owner_(owner), ranks_(owner.ranks()) {
    for (const auto& rank : ranks_) sessions_.push_back(rank->open_session(kind, options));
  }

  std::vector<MethodSchema> schemas() const override { return sessions_.front()->schemas(); }
  Json describe() const override { return sessions_.front()->describe(); }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    return owner_.call_all(call, context, [&](int64_t rank, Call& own, JobContext& mine) {
      if (ranks_[rank] != owner_.ranks_[rank]) {
        throw Error(ErrorCode::kRankFailed, "the session was lost with the ranks that it was on");
      }
      const Steady steady(true);
      return sessions_[rank]->call(method, own, mine);
    });
  }

  NamedTensors snapshot() const override {
    NamedTensors state;
    on_all([&](int64_t rank) {
      NamedTensors mine = sessions_[rank]->snapshot();
      if (rank == 0) state = std::move(mine);
    });
    return state;
  }
  void restore(const NamedTensors& state) override {
    on_all([&](int64_t rank) { sessions_[rank]->restore(state); });
  }

 private:
  void on_all(const std::function<void(int64_t rank)>& work) const {
    require_whole(*sessions_.front());
    JobContext context;
    const auto held = owner_.turn(context);
    owner_.run([&](int64_t rank, JobContext&) { work(rank); }, context);
  }

  LocalRanks& owner_;
  Ranks ranks_;  // outlive their sessions
  std::vector<std::unique_ptr<Session>> sessions_;
};

std::unique_ptr<Session> LocalRanks::open_session(const std::string& kind, const Json& options) {
  return std::make_unique<Sessions>(*this, kind, options);
}

std::unique_ptr<Session> LocalRanks::open_session(const std::string& kind, const Json& options,
                                                  const ReplicaSeat& seat) {
  const Ranks ranks = this->ranks();
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    ModuleOptions own = ranks[rank]->options();
    own.replicas = seat.groups.at(rank);
    ranks[rank]->set_options(std::move(own));
  }
  return open_session(kind, options);
}

void LocalRanks::save(const SaveOptions& options, JobContext& context) {
  const auto held = turn(context);
  run([&](int64_t rank, JobContext& mine) { ranks_[rank]->save(options, mine); }, context);
}

Gate::Place LocalRanks::turn(JobContext& context) {
  Gate::Place held;
  {
    const JobContext::Yielded yielded(context);
    held = calls_.enter(context);
  }
  if (broken_) load(context);
  return held;
}

LocalRanks::Ranks LocalRanks::ranks() const {
  std::lock_guard lock(mutex_);
  return ranks_;
}

// A rank that fails alone leaves the others waiting in a collective: the whole group ends with it.
// What all ranks refuse alike, such as a wrong input, harms nothing.
void LocalRanks::run(const ThreadTeam::Work& work, JobContext& context) {
  const auto errors = [&] {
    // The ranks' threads are no jobs: others may take their turns at the device beside them.
    const JobContext::Yielded yielded(context);
    return team_.run(work, context, [&] {
      broken_ = true;
      groups_.front()->abort();
    });
  }();
  const Error* cause = nullptr;
  for (const auto& error : errors) {
    if (error && (!cause || cause->code() == ErrorCode::kRankFailed)) cause = &*error;
  }
  if (!cause) return;
  if (cause->code() == ErrorCode::kCancelled) context.checkpoint();  // may know a deadline
  throw *cause;
}

}  // namespace torchsight
