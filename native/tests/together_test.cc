// Ranks that work side by side return or throw on all of them.
#include "runtime/together.h"

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "distributed/group.h"
#include "tests/files.h"
#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace torchsight::tests;
using namespace std::chrono_literals;

namespace {

struct Outcome {
  std::string code, message;
};

// What each of `size` ranks has come to.
std::vector<Outcome> outcomes(int64_t size,
                              const std::function<void(int64_t rank, JobContext&)>& work) {
  std::vector<Outcome> ended(size);
  on_ranks(size, [&](const std::shared_ptr<Group>& group) {
    const int64_t rank = group->rank();
    JobContext context;
    try {
      together(group.get(), context, [&](JobContext& mine) { work(rank, mine); });
    } catch (const Error& error) {
      ended[rank] = {std::string(to_string(error.code())) + "/" + error.reason(), error.what()};
    }
    // The group is still good for all.
    at::Tensor sum = at::ones({1});
    group->all_reduce(sum);
    if (sum.item<float>() != static_cast<float>(size)) ended[rank].code = "broken group";
  });
  return ended;
}

void work_until_stopped(JobContext& context) {
  for (int i = 0; i < 1000; ++i) {
    std::this_thread::sleep_for(5ms);
    context.checkpoint();
  }
  throw Error(ErrorCode::kInternal, "nobody ended this work");
}

}  // namespace

TEST_CASE("texts of all ranks come to all, of any length") {
  on_ranks(3, [](const std::shared_ptr<Group>& group) {
    const std::string mine(static_cast<size_t>(group->rank()) * 7, 'x');
    const auto all = gather_texts(*group, mine);
    if (all != std::vector<std::string>{"", "xxxxxxx", "xxxxxxxxxxxxxx"}) {
      throw Error(ErrorCode::kInternal, "texts were mixed up");
    }
  });
}

TEST_CASE("work of different lengths ends on all ranks alike") {
  std::array<std::atomic<bool>, 3> done{};
  const auto ended = outcomes(3, [&](int64_t rank, JobContext&) {
    std::this_thread::sleep_for(rank * 120ms);
    done[rank] = true;
  });
  for (const Outcome& one : ended) CHECK(one.code == "");
  for (const auto& one : done) CHECK(one);
}

TEST_CASE("one rank's failure ends the others' work, with its code and its name") {
  const auto begin = std::chrono::steady_clock::now();
  const auto ended = outcomes(3, [](int64_t rank, JobContext& context) {
    if (rank == 1) throw Error(ErrorCode::kBadCheckpoint, "torn", "TORN");
    work_until_stopped(context);
  });
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  for (const Outcome& one : ended) CHECK(one.code == "BAD_CHECKPOINT/TORN");
  CHECK(ended[1].message == "torn");
  CHECK(ended[0].message == "rank 1: torn");
  CHECK(ended[2].message == "rank 1: torn");
}

TEST_CASE("work that was done is undone by another's failure, and each failure is its own") {
  const auto ended = outcomes(3, [](int64_t rank, JobContext&) {
    if (rank == 0) return;
    std::this_thread::sleep_for(100ms);
    throw std::runtime_error("rank " + std::to_string(rank) + " is broken");
  });
  CHECK(ended[0].code == "INTERNAL/STD_EXCEPTION");
  CHECK(ended[1].message == "rank 1 is broken");
  CHECK(ended[2].message == "rank 2 is broken");
}

TEST_CASE("a group that breaks ends the work of all") {
  const auto groups = make_local_groups(2);
  std::vector<std::string> codes(2);
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      JobContext context;
      codes[rank] = outcome_of([&] {
        together(groups[rank].get(), context, [&](JobContext& mine) {
          if (rank == 0) groups[0]->abort();
          work_until_stopped(mine);
        });
      });
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const std::string& code : codes) CHECK(code == "RANK_FAILED");
}

TEST_CASE("without a group the work simply runs") {
  JobContext context;
  int runs = 0;
  together(nullptr, context, [&](JobContext& mine) {
    CHECK(&mine == &context);
    ++runs;
  });
  CHECK(runs == 1);
}
