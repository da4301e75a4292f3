#include "remote/ranks.h"

#include <algorithm>
#include <random>

#include "runtime/relay.h"

namespace torchsight {
namespace {

std::filesystem::path fresh_store() {
  std::random_device random;
  const std::string name = "torchsight-" + std::to_string(random()) + std::to_string(random());
  return std::filesystem::temp_directory_path() / name;
}

}  // namespace

// One request to all ranks, and what came back so far.
struct RemoteModule::Ranks::Round {
  explicit Round(size_t size) : replies(size), errors(size), ids(size) {}

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<Message>> replies;
  std::vector<std::optional<Error>> errors;
  std::vector<int64_t> ids;
  size_t ended = 0;
  Told told;
};

RemoteModule::Ranks::Ranks(int64_t size) : store_(fresh_store()) {
  for (int64_t rank = 0; rank < size; ++rank) {
    workers_.push_back(std::make_unique<WorkerProcess>());
  }
}

RemoteModule::Ranks::~Ranks() {
  workers_.clear();
  std::error_code ignored;
  std::filesystem::remove(store_, ignored);
}

Message RemoteModule::Ranks::ask(const Json& body, const NamedTensors& tensors, JobContext& context,
                                 Timeline* timeline, std::chrono::milliseconds grace) {
  auto round = std::make_shared<Round>(workers_.size());
  std::optional<SharedTensors> shared;
  if (!tensors.empty()) shared.emplace(tensors);
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    WorkerProcess::Replies replies;
    if (rank == 0) {
      replies.progress = [round](const Json& told) {
        std::lock_guard lock(round->mutex);
        round->told.progress =
            Progress{told.get("done", 0.0), told.get("total", 0.0), told.get("phase", "")};
        round->changed.notify_one();
      };
      replies.item = [round](NamedTensors item) {
        std::lock_guard lock(round->mutex);
        round->told.items.push_back(std::move(item));
        round->changed.notify_one();
      };
    }
    replies.end = [round, rank](Message reply, std::optional<Error> error) {
      std::lock_guard lock(round->mutex);
      round->told.failed |= error.has_value();
      round->errors[rank] = std::move(error);
      round->replies[rank] = std::move(reply);
      ++round->ended;
      round->changed.notify_one();
    };
    try {
      round->ids[rank] =
          workers_[rank]->request(addressed(body, rank), shared ? &*shared : nullptr, replies);
    } catch (...) {
      // It is gone already. Others may have been asked before, and wait for it.
      replies.end({}, current_error());
    }
  }
  await(*round, context, grace);
  if (round->told.failed) throw failure(*round);
  for (size_t rank = 0; timeline && rank < workers_.size(); ++rank) {
    timeline->merge(round->replies[rank]->body.at("trace"), static_cast<int64_t>(rank));
  }
  return std::move(*round->replies[0]);
}

void RemoteModule::Ranks::tell(const Json& body) {
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    try {
      workers_[rank]->request(addressed(body, rank), nullptr,
                              {.end = [](Message, std::optional<Error>) {}});
    } catch (const Error&) {
      // It is gone, and needs not know.
    }
  }
}

Json RemoteModule::Ranks::addressed(const Json& body, size_t rank) const {
  Json request = body;
  request.set("rank", static_cast<int64_t>(rank)).set("size", size()).set("store", store());
  return request;
}

void RemoteModule::Ranks::await(Round& round, JobContext& context,
                                std::chrono::milliseconds grace) {
  const JobContext::Yielded yielded(context);
  const Workers ranks{.ended = [&] { return round.ended == workers_.size(); },
                      .item_taken = [&] { workers_[0]->item_taken(round.ids[0]); },
                      .cancel =
                          [&] {
                            for (size_t rank = 0; rank < workers_.size(); ++rank) {
                              workers_[rank]->cancel(round.ids[rank]);
                            }
                          },
                      .give_up = [this] { kill(); },
                      .cancel_grace = grace};
  std::unique_lock lock(round.mutex);
  relay(lock, round.changed, round.told, ranks, context);
}

void RemoteModule::Ranks::kill() noexcept {
  for (const auto& worker : workers_) worker->kill();
}

// The error that explains the others: a rank that is gone, else what a rank said of its own work,
// else what it said of the collective it was left alone in.
Error RemoteModule::Ranks::failure(const Round& round) const {
  const bool sharded = workers_.size() > 1;
  const Error* lost = nullptr;
  const Error* alone = nullptr;
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    if (!round.errors[rank]) continue;
    const Error& error = *round.errors[rank];
    const bool collective = error.code() == ErrorCode::kCollectiveTimeout ||
                            error.code() == ErrorCode::kRendezvous ||
                            error.code() == ErrorCode::kRankFailed;
    if (!sharded) return error;
    if (error.code() == ErrorCode::kWorkerFailed) {
      if (!lost) lost = &error;
    } else if (!collective) {
      return error;
    } else if (!alone || error.code() == ErrorCode::kCollectiveTimeout) {
      alone = &error;
    }
  }
  // Ranks that were killed for having fallen silent are not the cause of the timeout.
  if (alone && alone->code() == ErrorCode::kCollectiveTimeout) return *alone;
  for (size_t rank = 0; lost && rank < workers_.size(); ++rank) {
    if (&*round.errors[rank] == lost) {
      return Error(ErrorCode::kRankFailed,
                   "rank " + std::to_string(rank) + " failed: " + lost->what());
    }
  }
  return *alone;
}

bool RemoteModule::Ranks::alive() const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->alive(); });
}

std::vector<int64_t> RemoteModule::Ranks::pids() const {
  std::vector<int64_t> pids;
  for (const auto& worker : workers_) pids.push_back(worker->pid());
  return pids;
}

}  // namespace torchsight
