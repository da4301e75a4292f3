#include "distributed/rendezvous/join.h"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <future>

#include "distributed/c10d_group.h"
#include "distributed/gloo_group.h"
#include "distributed/nccl_group.h"
#include "distributed/rendezvous/meeting.h"
#include "distributed/rendezvous/tcp_store.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

using std::chrono::milliseconds;

// Packing weights may take its time; a rank that is stopped meanwhile is found then.
constexpr milliseconds kPacking = std::chrono::minutes(30);
// Of the time to meet this much, or half of it, is kept for two steps after the meeting: to connect
// with each other, where the last one has come at the last moment, and to hear how that has ended.
constexpr milliseconds kAfterwards{2000};
milliseconds kept_of(const Launch& launch) {
  return std::min(kAfterwards, launch.timeout / 2);
}

/// Runs `work` on a thread of its own, which is left behind where patience ends first: a store
/// whose process is stopped does not answer, and cannot be asked with a time limit.
template <typename Work>
auto within(const Patience& patience, JobContext& context, const std::string& place, Work work) {
  using Result = decltype(work());
  std::promise<Result> promise;
  auto future = promise.get_future();
  std::thread([promise = std::move(promise), work = std::move(work)]() mutable {
    try {
      promise.set_value(work());
    } catch (...) {
      promise.set_exception(std::make_exception_ptr(current_error()));
    }
  }).detach();
  const JobContext::Yielded yielded(context);
  while (future.wait_for(milliseconds(5)) != std::future_status::ready) {
    if (!context.cancelled() && !patience.over()) continue;
    patience.abandon();
    context.checkpoint();  // may know of a cancel
    throw Error(ErrorCode::kRendezvous,
                "waited " + std::to_string(patience.limit().count()) + " ms at " + place +
                    " in vain for " + patience.waits_for() +
                    ": are all ranks alive, and the master's address and port right?");
  }
  return future.get();
}

// Ranks that are connected, and where they have met.
struct Connected {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> backend;

  /// Returns once all have come.
  void check(milliseconds timeout) const {
    const int64_t size = backend->getSize();
    at::Tensor sum = at::full({1}, static_cast<double>(backend->getRank() + 1), at::kDouble);
    make_c10d_group(backend, timeout)->all_reduce(sum);
    if (sum.item<double>() != static_cast<double>(size * (size + 1)) / 2) {
      throw Error(ErrorCode::kRendezvous, "the ranks' first sum is wrong");
    }
  }

  std::shared_ptr<Group> group(const Launch& launch, const Patience& patience) const {
    backend->setTimeout(launch.collective_timeout);
    auto group = make_c10d_group(backend, launch.collective_timeout);
    if (!launch.device.is_cuda()) return group;
    patience.now_for("the cards of the other ranks, by NCCL");
    return make_nccl_group(store, group, launch.collective_timeout, launch.device);
  }
};

JoinedGroup meet_and_connect(const Launch& launch, const Patience& patience) {
  const std::string name = "rank " + std::to_string(launch.rank);
  // What is wrong with this rank alone is told before anybody is waited for.
  std::string address;
  if (!launch.listen.empty()) address = listening_address(launch.listen, launch.master);
  try {
    auto store = make_tcp_store(launch.master, launch.serves, patience);
    if (address.empty()) address = listening_address("", launch.master);
    const Seat seat{.rank = launch.rank,
                    .size = launch.size,
                    .address = address,
                    .network = network_of_this_process(),
                    .alike = launch.alike,
                    .serves = launch.serves,
                    .attempt = launch.attempt};
    patience.now_for("the other ranks, whose store has fallen silent");
    store = meet(store, seat, patience);
    patience.now_for("a connection with each of the other ranks");
    const int64_t replica = launch.rank / launch.together, part = launch.rank % launch.together;
    const auto connect = [&](const std::string& prefix, int64_t rank, int64_t size) {
      const GlooOptions gloo{.rank = rank,
                             .size = size,
                             .host = address,
                             .timeout = patience.left() + kept_of(launch) / 2};
      Connected connected{c10::make_intrusive<c10d::PrefixStore>(prefix, store), {}};
      connected.backend = make_gloo_backend(connected.store, gloo);
      connected.check(gloo.timeout);
      return connected;
    };
    // No rank goes on before all are connected: it might end, and the store with it. Who has the
    // sum over its replicas knows that all replicas have met in themselves; a second sum over its
    // own replica tells that the same is true of the others there.
    JoinedGroup joined;
    Connected own, others;
    if (launch.together > 1) own = connect(std::to_string(replica), part, launch.together);
    if (launch.together < launch.size) {
      others = connect("part-" + std::to_string(part), replica, launch.size / launch.together);
      if (own.backend) own.check(patience.left() + kept_of(launch) / 2);
    }
    if (own.backend) {
      joined.patient = make_c10d_group(own.backend, kPacking);
      joined.group = own.group(launch, patience);
    }
    if (others.backend) joined.replicas = others.group(launch, patience);
    return joined;
  } catch (const std::exception&) {
    const Error error = current_error();
    if (error.code() == ErrorCode::kRendezvous) throw error;
    throw Error(ErrorCode::kRendezvous, name + " of " + std::to_string(launch.size) +
                                            " lost the others while they met at " +
                                            launch.master.text() + ", did one end? " +
                                            error.what());
  }
}

}  // namespace

Launch Launch::from_json(const Json& json) {
  Launch launch;
  launch.rank = json.at("rank").as_int("rank");
  launch.size = json.at("size").as_int("size");
  launch.together = json.at("together").as_int("together");
  launch.local_rank = json.get("localRank", launch.rank);
  launch.master = {json.at("host").as_string("host"), json.at("port").as_int("port")};
  launch.serves = json.at("serves").as_bool("serves");
  launch.attempt = json.get("attempt", int64_t{0});
  launch.listen = json.get("listen", "");
  launch.alike = Json(json.at("alike").as_object("alike"));
  launch.timeout = milliseconds(json.get("timeout", static_cast<int64_t>(launch.timeout.count())));
  if (launch.size < 1 || launch.rank < 0 || launch.rank >= launch.size || launch.local_rank < 0) {
    throw Error(ErrorCode::kRendezvous, "expected a rank below the number of ranks but received " +
                                            std::to_string(launch.rank) + " of " +
                                            std::to_string(launch.size));
  }
  if (launch.together < 1 || launch.size % launch.together != 0) {
    throw Error(ErrorCode::kRendezvous, "expected a number of ranks for a model that divides all " +
                                            std::to_string(launch.size) + " but received " +
                                            std::to_string(launch.together));
  }
  if (launch.master.port < 1 || launch.master.port > 65535) {
    throw Error(ErrorCode::kRendezvous, "expected 1 to 65535 for the master's port but received " +
                                            std::to_string(launch.master.port));
  }
  return launch;
}

JoinedGroup join(const Launch& launch, JobContext& context) {
#ifdef __linux__
  if (launch.size == 1) return {};
  const Patience patience(launch.timeout);
  return within(patience, context, launch.master.text(),
                [=, inner = patience.shorter_by(kept_of(launch))] {
                  return meet_and_connect(launch, inner);
                });
#else
  throw Error(ErrorCode::kUnsupported, "ranks of a launcher need Linux: libtorch has Gloo there");
#endif
}

}  // namespace torchsight
