#include "remote/joined_timeline.h"

#include "distributed/group.h"
#include "runtime/together.h"

namespace torchsight {
namespace {

// Events whose clock is `microseconds` behind.
Json moved(const Json& events, double microseconds) {
  Json list(Json::Array{});
  for (Json event : events.as_array()) {
    event.set("ts", event.at("ts").as_double() + microseconds);
    list.push_back(std::move(event));
  }
  return list;
}

}  // namespace

void join_timelines(Group& group, Timeline& timeline, const std::string& clock,
                    Timeline::Clock::time_point met) {
  const std::chrono::duration<double, std::micro> own_met = met.time_since_epoch();
  Json mine(Json::Object{{"clock", clock}, {"met", own_met.count()}});
  mine.set("events", timeline.events());
  const std::vector<std::string> all = gather_texts(group, mine.dump());
  for (int64_t rank = 0; rank < group.size(); ++rank) {
    if (rank == group.rank()) continue;
    const Json told = Json::parse(all[rank], "timeline");
    const bool one_clock = told.at("clock").as_string() == clock;
    const double behind = one_clock ? 0 : own_met.count() - told.at("met").as_double();
    timeline.merge(moved(told.at("events"), behind), 0);
  }
}

}  // namespace torchsight
