// What happened when during a call, in the format of Chrome's trace viewer and Perfetto.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace torchsight {

class Timeline {
 public:
  using Clock = std::chrono::steady_clock;  // one for all processes of a machine

  /// Something of this thread's track, or of one beside it, such as a message under way.
  void add(std::string name, std::string_view track, Clock::time_point begin,
           Clock::time_point end);
  /// Tells which rank this process is, where more than one writes a timeline. Default 0.
  void set_rank(int64_t rank) noexcept { rank_ = rank; }
  /// Takes over what another rank has seen: its processes become those from `first` on.
  void merge(const Json& events, int64_t first);

  /// A list of complete events: `{name, ph, ts, dur, pid, tid}`, times in microseconds. Ranks are
  /// processes, tracks are threads.
  Json events() const;
  /// The file for the viewer.
  void write(const std::string& path) const;

  /// The timeline of the call that this thread works for; null where none was asked for.
  static Timeline* current() noexcept;

  /// Makes a timeline, or none, the current one while it lives.
  class Scope {
   public:
    explicit Scope(Timeline* timeline) noexcept;
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Timeline* before_;
  };

  /// Records how long it lives, if there is a timeline.
  class Span {
   public:
    explicit Span(const char* name, std::string_view track = "compute") noexcept
        : name_(name), track_(track), begin_(current() ? Clock::now() : Clock::time_point{}) {}
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    const char* name_;
    std::string_view track_;
    Clock::time_point begin_;
  };

 private:
  struct Event {
    std::string name, track;
    double begin, duration;  // microseconds
    int64_t rank;
  };
  static Json complete(const Event& event, Json track);

  int64_t rank_ = 0;
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

}  // namespace torchsight
