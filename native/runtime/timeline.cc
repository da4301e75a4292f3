#include "runtime/timeline.h"

#include <fstream>
#include <map>

#include "runtime/error.h"

namespace torchsight {
namespace {

thread_local Timeline* current_timeline = nullptr;

double microseconds(Timeline::Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

Json named(const char* what, const std::string& name, int64_t process, int64_t thread) {
  Json arguments, entry;
  arguments.set("name", name);
  entry.set("name", what).set("ph", "M").set("pid", process).set("tid", thread);
  entry.set("args", std::move(arguments));
  return entry;
}

}  // namespace

void Timeline::add(std::string name, std::string_view track, Clock::time_point begin,
                   Clock::time_point end) {
  std::lock_guard lock(mutex_);
  events_.push_back({std::move(name), std::string(track), microseconds(begin.time_since_epoch()),
                     microseconds(end - begin), rank_});
}

void Timeline::merge(const Json& events, int64_t first) {
  std::lock_guard lock(mutex_);
  for (const Json& event : events.as_array()) {
    events_.push_back({event.at("name").as_string(), event.at("tid").as_string(),
                       event.at("ts").as_double(), event.at("dur").as_double(),
                       first + event.at("pid").as_int()});
  }
}

Json Timeline::events() const {
  std::lock_guard lock(mutex_);
  Json list = Json::Array{};
  for (const Event& event : events_) list.push_back(complete(event, event.track));
  return list;
}

void Timeline::write(const std::string& path) const {
  Json list = Json::Array{};
  // The viewer numbers threads, and reads their names from events of their own.
  std::map<std::pair<int64_t, std::string>, int64_t> tracks;
  {
    std::lock_guard lock(mutex_);
    for (const Event& event : events_) {
      const auto number = static_cast<int64_t>(tracks.size());
      const auto track = tracks.emplace(std::pair(event.rank, event.track), number).first;
      list.push_back(complete(event, track->second));
    }
  }
  for (const auto& [track, number] : tracks) {
    const auto& [rank, name] = track;
    list.push_back(named("thread_name", name, rank, number));
    list.push_back(named("process_name", "rank " + std::to_string(rank), rank, number));
  }
  std::ofstream file(path, std::ios::binary);
  file << Json(Json::Object{{"traceEvents", std::move(list)}, {"displayTimeUnit", "ms"}}).dump()
       << '\n';
  file.close();
  if (!file) throw Error(ErrorCode::kNotFound, "cannot write the trace to " + path);
}

Json Timeline::complete(const Event& event, Json track) {
  Json entry;
  entry.set("name", event.name).set("ph", "X").set("ts", event.begin).set("dur", event.duration);
  entry.set("pid", event.rank).set("tid", std::move(track));
  return entry;
}

Timeline* Timeline::current() noexcept {
  return current_timeline;
}

Timeline::Scope::Scope(Timeline* timeline) noexcept : before_(current_timeline) {
  current_timeline = timeline;
}

Timeline::Scope::~Scope() {
  current_timeline = before_;
}

Timeline::Span::~Span() {
  if (Timeline* timeline = current(); timeline && begin_ != Clock::time_point{}) {
    timeline->add(name_, track_, begin_, Clock::now());
  }
}

}  // namespace torchsight
