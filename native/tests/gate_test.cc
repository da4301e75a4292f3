#include "runtime/gate.h"

#include <chrono>
#include <future>

#include <doctest/doctest.h>

#include "runtime/error.h"

using namespace torchsight;
using namespace std::chrono_literals;

TEST_CASE("a gate lets in as many as it has places, and the next one when one leaves") {
  Gate gate(2);
  JobContext context;
  Gate::Place first = gate.enter(context);
  const Gate::Place second = gate.enter(context);
  std::atomic<bool> entered = false;
  auto third = std::async(std::launch::async, [&] {
    JobContext own;
    const Gate::Place place = gate.enter(own);
    entered = true;
  });
  CHECK(third.wait_for(50ms) == std::future_status::timeout);
  CHECK_FALSE(entered);
  first.reset();
  CHECK(third.wait_for(5s) == std::future_status::ready);
}

TEST_CASE("who waits at a gate ends in time") {
  Gate gate;
  JobContext context;
  const Gate::Place place = gate.enter(context);
  LimitedContext limited(30ms);
  try {
    const Gate::Place none = gate.enter(limited);
    FAIL("entered");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kDeadline);
    CHECK(std::string(error.what()).find("30 ms") != std::string::npos);
  }
}
