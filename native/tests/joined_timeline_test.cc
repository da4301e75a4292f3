// What the ranks of a call have noted comes into one timeline.
#include "remote/joined_timeline.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/model_support.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace std::chrono_literals;

namespace {

constexpr auto kMet = Timeline::Clock::time_point(1s);

// When each of three ranks worked, by rank, in the timeline of rank 0; all met at `met[rank]` of
// their own clock, and worked for a second from two seconds later on.
std::map<int64_t, double> beginnings(const std::vector<std::string>& clocks,
                                     const std::vector<Timeline::Clock::time_point>& met) {
  std::vector<Timeline> timelines(3);
  on_ranks(3, [&](const std::shared_ptr<Group>& group) {
    const int64_t rank = group->rank();
    Timeline& timeline = timelines[rank];
    timeline.set_rank(rank);
    timeline.add("work", "compute", met[rank] + 2s, met[rank] + 3s);
    join_timelines(*group, timeline, clocks[rank], met[rank]);
  });
  std::map<int64_t, double> result;
  const Json events = timelines[0].events();
  for (const Json& event : events.as_array()) {
    CHECK(event.at("name").as_string() == "work");
    CHECK(event.at("dur").as_double() == 1e6);
    result[event.at("pid").as_int()] = event.at("ts").as_double();
  }
  for (const Timeline& timeline : timelines) CHECK(timeline.events().as_array().size() == 3);
  return result;
}

}  // namespace

TEST_CASE("every rank's timeline has what all have noted, at the times of their common clock") {
  const auto found = beginnings({"one", "one", "one"}, {kMet, kMet + 1ms, kMet});
  CHECK(found == std::map<int64_t, double>{{0, 3e6}, {1, 3e6 + 1e3}, {2, 3e6}});
}

TEST_CASE("ranks whose clocks count from another beginning are moved to where all met") {
  const auto found = beginnings({"one", "one", "another"}, {kMet, kMet + 1ms, kMet + 1h});
  CHECK(found == std::map<int64_t, double>{{0, 3e6}, {1, 3e6 + 1e3}, {2, 3e6}});
}
