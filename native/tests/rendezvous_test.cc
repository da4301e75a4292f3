#ifndef _WIN32

#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <doctest/doctest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "distributed/rendezvous/join.h"
#include "distributed/rendezvous/listener.h"
#include "distributed/rendezvous/meeting.h"
#include "distributed/rendezvous/tcp_store.h"
#include "runtime/error.h"

using namespace torchsight;
using namespace std::chrono_literals;

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;

Seat seat(int64_t rank, int64_t size) {
  return {.rank = rank,
          .size = size,
          .address = "127.0.0.1",
          .network = "here",
          .alike = Json(Json::Object{{"torchsight", "1"}, {"model", "vit"}})};
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kRendezvous);
    return error.what();
  }
  return "";
}

/// What each of `seats` hears at one meeting; empty where all is well.
std::vector<std::string> meeting(const std::vector<Seat>& seats, Store store,
                                 std::chrono::milliseconds patience = 5s) {
  std::vector<std::string> heard(seats.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < seats.size(); ++i) {
    threads.emplace_back(
        [&, i] { heard[i] = message_of([&] { meet(store, seats[i], Patience(patience)); }); });
  }
  for (auto& thread : threads) thread.join();
  return heard;
}

/// Checks that all hear the same, and that it tells of `fault`.
void check_fault(const std::vector<Seat>& seats, const std::string& fault) {
  const auto begin = std::chrono::steady_clock::now();
  const auto heard = meeting(seats, c10::make_intrusive<c10d::HashStore>());
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
  for (const std::string& message : heard) {
    INFO(message);
    CHECK(message == heard.front());
    CHECK(message.find(fault) != std::string::npos);
  }
}

/// A port that nothing listens at.
int64_t free_port() {
  static int64_t next = 21'000 + getpid() % 5'000;
  return next++;
}

Launch launch(int64_t rank, int64_t size, int64_t port) {
  Launch launch;
  launch.rank = rank;
  launch.size = size;
  launch.together = size;
  launch.master = {"127.0.0.1", port};
  launch.serves = rank == 0;
  launch.timeout = 700ms;
  launch.alike = Json(Json::Object{});
  return launch;
}

std::string failure_of_join(const Launch& launch) {
  const auto begin = std::chrono::steady_clock::now();
  JobContext context;
  const std::string message = message_of([&] { join(launch, context); });
  CHECK(std::chrono::steady_clock::now() - begin < launch.timeout + 500ms);
  return message;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("ranks that fit together meet, again and again at one store") {
  const Store store = c10::make_intrusive<c10d::HashStore>();
  for (int i = 0; i < 3; ++i) {
    for (const std::string& heard : meeting({seat(0, 3), seat(1, 3), seat(2, 3)}, store)) {
      CHECK(heard == "");
    }
  }
}

TEST_CASE("ranks that do not fit together all hear why") {
  check_fault({seat(0, 3), seat(1, 3), seat(1, 3)}, "two processes are rank 1 of 3");
  check_fault({seat(0, 2), seat(1, 3)}, "the same WORLD_SIZE");
  Seat other = seat(1, 2);
  other.alike.set("torchsight", "2");
  check_fault({seat(0, 2), other}, "differ in \"torchsight\"");
  other = seat(1, 2);
  other.alike.set("model", std::string(500, 'x'));
  check_fault({seat(0, 2), other}, "differ in \"model\": run the same");
}

TEST_CASE("loopback is refused between machines, and taken within one") {
  Seat other = seat(1, 2);
  other.network = "elsewhere";
  check_fault({seat(0, 2), other}, "set GLOO_SOCKET_IFNAME");
  other.address = "192.0.2.7";
  check_fault({seat(0, 2), other}, "rank 0 listens on 127.0.0.1");
  Seat first = seat(0, 2);
  first.address = "192.0.2.6";
  for (const std::string& heard : meeting({first, other}, c10::make_intrusive<c10d::HashStore>())) {
    CHECK(heard == "");
  }
}

TEST_CASE("missing ranks are told by number, and the next meeting is a new one") {
  const Store store = c10::make_intrusive<c10d::HashStore>();
  for (const std::string& heard : meeting({seat(0, 4), seat(2, 4)}, store, 300ms)) {
    CHECK(contains(heard, "2 of 4 ranks (1, 3) did not come within 300 ms"));
  }
  for (const std::string& heard : meeting({seat(0, 2), seat(1, 2)}, store)) CHECK(heard == "");
}

TEST_CASE("nobody waits longer than the least patient rank") {
  const Store store = c10::make_intrusive<c10d::HashStore>();
  std::string patient, impatient;
  std::thread first([&] { patient = message_of([&] { meet(store, seat(0, 3), Patience(20s)); }); });
  std::this_thread::sleep_for(50ms);
  const auto begin = std::chrono::steady_clock::now();
  impatient = message_of([&] { meet(store, seat(1, 3), Patience(300ms)); });
  first.join();
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  CHECK(contains(impatient, "(2)"));
  CHECK(patient == impatient);
}

TEST_CASE("what no rank of this version wrote is a fault, not a crash") {
  const Store store = c10::make_intrusive<c10d::HashStore>();
  std::string heard;
  std::thread first([&] { heard = message_of([&] { meet(store, seat(0, 2), Patience(5s)); }); });
  std::this_thread::sleep_for(50ms);
  store->set("torchsight/meeting/0/0/record/1", "[{\"rank\": \"nonsense\"");
  first.join();
  CHECK(contains(heard, "another version of torchsight"));
}

#ifdef __linux__
TEST_CASE("launched ranks join a group, in replicas of consecutive ones") {
  const int64_t port = free_port();
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([=] {
      Launch mine = launch(rank, 4, port);
      mine.timeout = 20s;
      mine.together = 2;
      JobContext context;
      for (int i = 0; i < 2; ++i) {
        const JoinedGroup joined = join(mine, context);
        CHECK(joined.group->rank() == rank % 2);
        CHECK(joined.group->size() == 2);
        at::Tensor sum = at::full({1}, rank, at::kLong);
        joined.group->all_reduce(sum);
        CHECK(sum.item<int64_t>() == (rank < 2 ? 1 : 5));
        CHECK(joined.patient->agree(rank % 2 == 1));
      }
    });
  }
  for (auto& rank : ranks) rank.join();
}

TEST_CASE("a process that is alone needs no group") {
  JobContext context;
  CHECK_FALSE(join(launch(0, 1, free_port()), context).group);
}

TEST_CASE("faults at the master's port are told in time") {
  CHECK(contains(failure_of_join(launch(1, 2, free_port())), "nothing listens there"));
  CHECK(contains(failure_of_join(launch(0, 2, free_port())), "1 of 2 ranks (1) did not come"));

  Launch unknown = launch(1, 2, free_port());
  unknown.master.host = "no-such-host.invalid";
  const std::string heard = failure_of_join(unknown);  // a name server may be slow to deny
  CHECK((contains(heard, "the name is unknown") || contains(heard, "a name server")));

  const int64_t taken = free_port();
  const int silent = listen_at({"127.0.0.1", taken});
  CHECK(contains(failure_of_join(launch(0, 2, taken)), "has it"));
  CHECK(contains(failure_of_join(launch(1, 2, taken)), "something else than rank 0"));
  std::thread nonsense([silent] {
    const std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    for (int client; (client = accept(silent, nullptr, nullptr)) >= 0; close(client)) {
      send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  });
  // What is sent may be lost with the connection that is closed after it.
  const std::string answered = failure_of_join(launch(1, 2, taken));
  CHECK((contains(answered, "does not answer as one") ||
         contains(answered, "something else than rank 0")));
  shutdown(silent, SHUT_RDWR);
  nonsense.join();
  close(silent);
}

TEST_CASE("ranks that are started anew meet at a store with traces of a meeting that broke off") {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto first = meeting({seat(0, 2)}, store, 300ms);
  CHECK(contains(first[0], "did not come"));
  // One that was ended before it could judge: whoever came would wait for its verdict.
  store->add("torchsight/meeting/0/1/tickets", 1);
  std::vector<Seat> anew{seat(0, 2), seat(1, 2)};
  CHECK(contains(meeting(anew, store, 300ms)[1], "fallen silent"));
  for (Seat& one : anew) one.attempt = 1;
  CHECK(meeting(anew, store) == std::vector<std::string>{"", ""});
}

TEST_CASE("who meets and then falls silent is not waited for beyond the timeout") {
  Launch first = launch(0, 2, free_port());
  first.timeout = 3s;
  std::thread silent([&] {
    const Patience patience(first.timeout);
    const Seat seat{.rank = 1,
                    .size = 2,
                    .address = "127.0.0.1",
                    .network = network_of_this_process(),
                    .alike = first.alike};
    meet(make_tcp_store(first.master, false, patience), seat, patience);
  });
  CHECK(contains(failure_of_join(first), "rank 0 of 2"));
  silent.join();
}

TEST_CASE("ranks meet at any address of the loopback network") {
  const int64_t port = free_port();
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([=] {
      Launch mine = launch(rank, 2, port);
      mine.timeout = 20s;
      mine.master.host = "127.7.0.3";
      JobContext context;
      CHECK(join(mine, context).group->size() == 2);
    });
  }
  for (auto& rank : ranks) rank.join();
}

TEST_CASE("addresses to listen on") {
  const Endpoint here{"127.0.0.1", 1}, elsewhere{"192.0.2.1", 1};
  CHECK(listening_address("", here) == "127.0.0.1");
  CHECK(listening_address("lo", here) == "127.0.0.1");
  CHECK(listening_address("127.0.0.1", here) == "127.0.0.1");
  CHECK(contains(message_of([&] { listening_address("lo", elsewhere); }), "is loopback"));
  CHECK(contains(message_of([&] { listening_address("eth99", here); }), "lo 127.0.0.1"));
  CHECK(contains(message_of([&] { listening_address("192.0.2.1", here); }), "of this machine"));
}

TEST_CASE("a cancelled job leaves the others' meeting") {
  struct Cancelled final : JobContext {
    void checkpoint() override { throw Error(ErrorCode::kCancelled, "cancelled"); }
    bool cancelled() const noexcept override { return true; }
  } context;
  Launch alone = launch(0, 2, free_port());
  alone.timeout = 60s;
  try {
    join(alone, context);
    FAIL("the ranks met");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCancelled);
  }
}
#endif

#endif
