// How long one rank waits for the others, whatever it waits for.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace torchsight {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit Patience(Milliseconds limit) : end_(Clock::now() + limit), limit_(limit) {}

  /// What was asked for in the beginning.
  Milliseconds limit() const { return limit_; }
  Milliseconds left() const {
    const auto left = std::chrono::duration_cast<Milliseconds>(end_ - Clock::now());
    return std::max(left, Milliseconds{0});
  }
  /// Whether the time is over, or nobody waits for the result any more.
  bool over() const { return shared_->abandoned || Clock::now() >= end_; }
  /// Makes the end come no later than `left` from now.
  void shorten(Milliseconds left) { end_ = std::min(end_, Clock::now() + left); }
  Patience longer_by(Milliseconds grace) const {
    Patience longer = *this;
    longer.end_ += grace;
    return longer;
  }
  /// Of which some is kept for what comes after. The limit that messages tell is the same.
  Patience shorter_by(Milliseconds kept) const { return longer_by(-kept); }
  /// Tells all copies that nobody waits for the result any more.
  void abandon() const { shared_->abandoned = true; }
  /// Notes what is waited for, a literal, for whoever waits for the whole.
  void now_for(const char* what) const { shared_->waits_for = what; }
  std::string waits_for() const { return shared_->waits_for.load(); }
  /// A moment between two looks at what others do.
  void pause() const {
    constexpr Milliseconds kMoment{10};
    std::this_thread::sleep_for(std::clamp(left(), Milliseconds{1}, kMoment));
  }

 private:
  struct Shared {
    std::atomic<bool> abandoned{false};
    std::atomic<const char*> waits_for{"the other ranks"};
  };

  Clock::time_point end_;
  Milliseconds limit_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace torchsight
