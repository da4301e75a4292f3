#include "distributed/gloo_group.h"

#include <thread>

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/temporary.h"

using namespace torchsight;

namespace {

void on_ranks(const std::vector<std::shared_ptr<Group>>& groups,
              const std::function<void(Group&)>& work) {
  std::vector<std::thread> threads;
  for (const auto& group : groups) threads.emplace_back([&work, group] { work(*group); });
  for (auto& thread : threads) thread.join();
}

// Every rank checks every collective against the closed form.
void check_collectives(Group& group) {
  const auto rank = static_cast<double>(group.rank());
  const auto size = static_cast<double>(group.size());
  const double sum_of_ranks = size * (size - 1) / 2;
  const at::Tensor local = at::full({2, 3}, rank, at::kDouble);

  const at::Tensor gathered = group.all_gather(local);
  CHECK(gathered.size(0) == 2 * group.size());
  CHECK(gathered.sum().item<double>() == 6 * sum_of_ranks);
  CHECK(gathered.narrow(0, 2 * group.rank(), 2).equal(local));

  // Part r of rank s is 10 s + r.
  const at::Tensor sent = at::arange(group.size(), at::kDouble).repeat_interleave(2) + 10 * rank;
  const at::Tensor came = group.all_to_all(sent);
  for (int64_t from = 0; from < group.size(); ++from) {
    CHECK(came.narrow(0, 2 * from, 2).eq(10.0 * from + rank).all().item<bool>());
  }

  // Several messages under way at a time come in order.
  std::vector<at::Tensor> in;
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (int64_t message = 0; message < 3; ++message) {
    in.push_back(at::zeros({4}, at::kDouble));
    transfers.push_back(
        group.start_ring(at::full({4}, 10 * rank + message, at::kDouble), in.back()));
  }
  const double before = static_cast<int64_t>(rank + size - 1) % group.size();
  for (int64_t message = 0; message < 3; ++message) {
    transfers[message]->wait();
    CHECK(in[message].eq(10 * before + message).all().item<bool>());
  }

  at::Tensor sum = local.clone();
  group.all_reduce(sum);
  CHECK(sum[0][0].item<double>() == sum_of_ranks);

  CHECK(group.agree(group.rank() == 0));
  CHECK_FALSE(group.agree(false));
}

}  // namespace

TEST_CASE("collectives of rank threads") {
  for (int64_t size : {1, 2, 3, 8}) on_ranks(make_local_groups(size), check_collectives);
}

TEST_CASE("a slower network changes no result and takes its time") {
  using namespace std::chrono_literals;
  auto groups = make_local_groups(3);
  for (auto& group : groups) group = make_delayed_group(group, 2ms);
  on_ranks(groups, check_collectives);
  const auto start = std::chrono::steady_clock::now();
  on_ranks(groups, [](Group& group) { group.all_gather(at::zeros({1})); });
  CHECK(std::chrono::steady_clock::now() - start >= 4ms);
}

TEST_CASE("a failed rank thread releases the others") {
  auto groups = make_local_groups(3);
  on_ranks(groups, [](Group& group) {
    if (group.rank() == 1) return group.abort();
    at::Tensor tensor = at::zeros({1});
    CHECK_THROWS_AS(group.all_reduce(tensor), Error);
    at::Tensor in = at::zeros({1});
    const auto transfer = group.start_ring(tensor, in);
    CHECK_THROWS_AS(transfer->wait(), Error);
  });
}

#ifdef __linux__
TEST_CASE("collectives over Gloo") {
  for (int64_t size : {2, 3}) {
    const TemporaryPath store;
    std::vector<std::thread> ranks;
    for (int64_t rank = 0; rank < size; ++rank) {
      ranks.emplace_back([=, &store] {
        const GlooOptions options{.rank = rank, .size = size};
        auto file = make_file_store(store.string(), size, options.timeout);
        check_collectives(*make_gloo_group(std::move(file), options));
      });
    }
    for (auto& rank : ranks) rank.join();
  }
}

TEST_CASE("a lost rank is told with what the backend says of it") {
  const TemporaryPath store;
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([=, &store] {
      const GlooOptions options{.rank = rank, .size = 2};
      const auto group =
          make_gloo_group(make_file_store(store.string(), 2, options.timeout), options);
      at::Tensor sum = at::ones({1});
      group->all_reduce(sum);
      if (rank == 1) return;
      try {
        group->all_reduce(sum);
        FAIL_CHECK("a sum without the other rank");
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kRankFailed);
        const std::string what = error.what(), told = "lost another rank in a collective: ";
        const size_t at = what.find(told);
        CHECK((at != std::string::npos && what.size() > at + told.size()));
      }
    });
  }
  for (auto& rank : ranks) rank.join();
}

TEST_CASE("a missing rank is an error, not a hang") {
  const TemporaryPath store;
  GlooOptions options{.rank = 0, .size = 2};
  options.timeout = std::chrono::milliseconds(500);
  try {
    make_gloo_group(make_file_store(store.string(), 2, options.timeout), options);
    FAIL("the group met without its second rank");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kRendezvous);
  }
}
#endif
