#include "runtime/together.h"

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "distributed/group.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// How long ranks that work let those that are done wait for news.
constexpr auto kBeat = std::chrono::milliseconds(50);

enum State : int64_t { kWorking, kDone, kFailed };

// Ends the work of a rank because another one has failed.
class Stopped final : public Error {
 public:
  Stopped() : Error(ErrorCode::kRankFailed, "another rank has failed") {}
};

// The context of work that ends at its next checkpoint once another rank has failed.
class Watched final : public JobContext {
 public:
  Watched(JobContext& inner, const std::atomic<bool>& stop) : inner_(inner), stop_(stop) {}

  void checkpoint() override {
    inner_.checkpoint();
    if (stop_) throw Stopped();
  }
  bool cancelled() const noexcept override { return stop_ || inner_.cancelled(); }
  void progress(const Progress& progress) override { inner_.progress(progress); }
  void emit(NamedTensors item) override { inner_.emit(std::move(item)); }

 private:
  void release_device() noexcept override { yielded_.emplace(inner_); }
  void acquire_device() noexcept override { yielded_.reset(); }

  JobContext& inner_;
  const std::atomic<bool>& stop_;
  std::optional<Yielded> yielded_;
};

// An error on its way to the other ranks.
std::string text_of(const Error& error) {
  return std::string(to_string(error.code())) + '\n' + error.reason() + '\n' + error.what();
}

Error error_from(const std::string& text, size_t rank) {
  const size_t code_end = text.find('\n'), reason_end = text.find('\n', code_end + 1);
  return Error(error_code_from_string(text.substr(0, code_end)),
               "rank " + std::to_string(rank) + ": " + text.substr(reason_end + 1),
               text.substr(code_end + 1, reason_end - code_end - 1));
}

// The thread of one rank that meets those of the others.
class Watcher {
 public:
  explicit Watcher(Group& group) : group_(group), thread_(&Watcher::run, this) {}

  const std::atomic<bool>& stop() const { return stop_; }

  /// Tells the other ranks how this one's work has ended and waits for theirs to end. Returns what
  /// ended the whole, if anything did.
  std::optional<Error> end(std::optional<Error> own) {
    {
      std::lock_guard lock(mutex_);
      state_ = own ? kFailed : kDone;
      if (own) told_ = text_of(*own);
    }
    ended_.notify_one();
    thread_.join();
    return failure_;
  }

 private:
  void run() {
    try {
      while (meet() == kWorking) {
      }
    } catch (...) {
      failure_ = current_error();  // of the group itself
    }
    stop_ = failure_.has_value();
  }

  // One round. All ranks see the same states and so leave in the same round.
  State meet() {
    int64_t mine = kWorking;
    {
      std::unique_lock lock(mutex_);
      ended_.wait_for(lock, kBeat, [&] { return state_ != kWorking; });
      mine = state_;
    }
    const at::Tensor states_T = group_.all_gather(at::full({1}, mine, at::kLong));
    const auto* states = states_T.const_data_ptr<int64_t>();
    State all = kDone;
    for (int64_t rank = 0; rank < group_.size(); ++rank) {
      if (states[rank] == kWorking && all == kDone) all = kWorking;
      if (states[rank] == kFailed) all = kFailed;
    }
    if (all != kFailed) return all;
    const std::vector<std::string> told =
        gather_texts(group_, mine == kFailed ? told_ : std::string());
    for (size_t rank = 0; rank < told.size() && !failure_; ++rank) {
      if (!told[rank].empty()) failure_ = error_from(told[rank], rank);
    }
    return all;
  }

  Group& group_;
  std::mutex mutex_;  // guards state_ and told_
  std::condition_variable ended_;
  State state_ = kWorking;
  std::string told_;
  std::atomic<bool> stop_{false};
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace

void together(Group* group, JobContext& context, const std::function<void(JobContext&)>& work) {
  if (!group || group->size() == 1) return work(context);
  Watcher watcher(*group);
  std::optional<Error> own;
  try {
    Watched watched(context, watcher.stop());
    work(watched);
  } catch (const Stopped&) {
    // What stopped it is told below.
  } catch (...) {
    own = current_error();
  }
  const std::optional<Error> failure = [&] {
    const JobContext::Yielded yielded(context);  // others may be at work for long
    return watcher.end(own);
  }();
  if (own) throw *own;
  if (failure) throw *failure;
}

std::vector<std::string> gather_texts(Group& group, const std::string& text) {
  const at::Tensor sizes_T =
      group.all_gather(at::full({1}, static_cast<int64_t>(text.size()), at::kLong));
  const auto* sizes = sizes_T.const_data_ptr<int64_t>();
  const int64_t longest = std::max<int64_t>(1, sizes_T.max().item<int64_t>());
  at::Tensor mine = at::zeros({1, longest}, at::kByte);
  std::memcpy(mine.mutable_data_ptr(), text.data(), text.size());
  const at::Tensor all_TL = group.all_gather(mine);
  std::vector<std::string> texts;
  for (int64_t rank = 0; rank < group.size(); ++rank) {
    const auto* bytes = static_cast<const char*>(all_TL.const_data_ptr());
    texts.emplace_back(bytes + rank * longest, static_cast<size_t>(sizes[rank]));
  }
  return texts;
}

}  // namespace torchsight
