#include "distributed/group.h"

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

  const at::Tensor part = group.reduce_scatter(at::arange(2 * group.size(), at::kDouble) + rank);
  CHECK(part.size(0) == 2);
  CHECK(part[0].item<double>() == size * 2 * rank + sum_of_ranks);

  at::Tensor sum = local.clone();
  group.all_reduce(sum);
  CHECK(sum[0][0].item<double>() == sum_of_ranks);

  at::Tensor shared = local.clone();
  group.broadcast(shared, group.size() - 1);
  CHECK(shared[1][2].item<double>() == size - 1);

  CHECK(group.agree(group.rank() == 0));
  CHECK_FALSE(group.agree(false));
}

}  // namespace

TEST_CASE("collectives of rank threads") {
  for (int64_t size : {1, 2, 3, 8}) on_ranks(make_local_groups(size), check_collectives);
}

TEST_CASE("a failed rank thread releases the others") {
  auto groups = make_local_groups(3);
  on_ranks(groups, [](Group& group) {
    if (group.rank() == 1) return group.abort();
    at::Tensor tensor = at::zeros({1});
    CHECK_THROWS_AS(group.all_reduce(tensor), Error);
  });
}

#ifdef __linux__
TEST_CASE("collectives over Gloo") {
  for (int64_t size : {2, 3}) {
    const TemporaryPath store;
    std::vector<std::thread> ranks;
    for (int64_t rank = 0; rank < size; ++rank) {
      ranks.emplace_back([=, &store] {
        check_collectives(*make_gloo_group({.store = store.string(), .rank = rank, .size = size}));
      });
    }
    for (auto& rank : ranks) rank.join();
  }
}

TEST_CASE("a missing rank is an error, not a hang") {
  const TemporaryPath store;
  GlooOptions options{.store = store.string(), .rank = 0, .size = 2};
  options.timeout = std::chrono::milliseconds(500);
  try {
    make_gloo_group(options);
    FAIL("the group met without its second rank");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kRendezvous);
  }
}
#endif
