// Ranks that wait for each other's votes give their device to other jobs meanwhile.
#include "runtime/votes.h"

#include <doctest/doctest.h>

#include <array>
#include <future>
#include <thread>

#include "distributed/gloo_group.h"
#include "runtime/lane.h"
#include "tests/temporary.h"

using namespace torchsight;
using namespace std::chrono_literals;

#ifdef __linux__
namespace {

class Ending final : public JobObserver {
 public:
  void finished(std::optional<Error> error, const JobStats&) override {
    ended_.set_value(std::move(error));
  }
  std::optional<Error> wait() { return ended_.get_future().get(); }

 private:
  std::promise<std::optional<Error>> ended_;
};

std::shared_ptr<Ending> submit(std::function<void(JobContext&)> work) {
  auto ending = std::make_shared<Ending>();
  Lane::of(at::kCPU).submit({.work = std::move(work), .observer = ending});
  return ending;
}

std::array<std::shared_ptr<Group>, 2> connected_ranks() {
  const TemporaryPath store;
  std::array<std::shared_ptr<Group>, 2> ranks;
  const auto connect = [&](int64_t rank) {
    const GlooOptions options{.rank = rank, .size = 2, .timeout = 10s};
    ranks[rank] = make_gloo_group(make_file_store(store.string(), 2, options.timeout), options);
  };
  std::thread second(connect, 1);
  connect(0);
  second.join();
  return ranks;
}

}  // namespace

TEST_CASE("another job has its turn while a vote waits for a late rank") {
  const auto ranks = connected_ranks();
  std::promise<void> other_ended;
  std::thread late([&] {
    // Were the device held by the rank that waits, this would not end before that rank gives up.
    other_ended.get_future().wait();
    JobContext context;
    Votes votes(ranks[1].get(), context);
    votes.cast();
    CHECK_NOTHROW(votes.count());
  });
  std::shared_ptr<Ending> other;
  const auto waiting = submit([&](JobContext& context) {
    other = submit([&](JobContext&) { other_ended.set_value(); });
    Votes votes(ranks[0].get(), context);
    votes.cast();
    votes.count();
  });
  CHECK_FALSE(waiting->wait().has_value());
  CHECK_FALSE(other->wait().has_value());
  late.join();
}
#endif
