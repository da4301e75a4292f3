#include "training/run_ranks.h"

#include <ATen/ATen.h>

#include <optional>

#include "runtime/error.h"
#include "runtime/together.h"

namespace torchsight {
namespace {

// The context of work that replicas must all end: it tells of progress and sees no cancel.
class Uninterrupted final : public JobContext {
 public:
  explicit Uninterrupted(JobContext& context) : context_(context) {}
  void progress(const Progress& progress) override { context_.progress(progress); }

 private:
  JobContext& context_;
};

std::shared_ptr<Group> several(const std::shared_ptr<Group>& group) {
  return group && group->size() > 1 ? group : nullptr;
}

double sum(const std::shared_ptr<Group>& group, double value) {
  if (!group) return value;
  at::Tensor total = at::full({1}, value, at::kDouble);
  group->all_reduce(total);
  return total.item<double>();
}

// The code in the first line, then the message.
std::string written(const Error& error) {
  return std::string(to_string(error.code())) + "\n" + error.what();
}

Error read(const std::string& text, int64_t replica) {
  const size_t end = text.find('\n');
  return Error(error_code_from_string(text.substr(0, end)),
               "replica " + std::to_string(replica) + ": " + text.substr(end + 1));
}

}  // namespace

RunRanks RunRanks::of(const ModuleOptions& options) {
  return {several(options.group), several(options.replicas)};
}

void RunRanks::checkpoint(JobContext& context) const {
  if (!parts && !replicas) return context.checkpoint();
  bool stop = context.cancelled();
  if (parts) stop = parts->agree(stop);
  if (replicas) stop = replicas->agree(stop);
  if (!stop) return;
  context.checkpoint();  // names the reason on the rank that knows it
  throw Error(ErrorCode::kCancelled, "another rank of the group was cancelled");
}

void RunRanks::alike(JobContext& context, const std::function<void(JobContext&)>& work) const {
  if (!replicas) {
    checkpoint(context);
    return work(context);
  }
  std::optional<Error> failure;
  try {
    Uninterrupted whole(context);
    work(whole);
  } catch (...) {
    failure = current_error();
  }
  if (replicas->agree(failure.has_value())) {
    const auto texts = gather_texts(*replicas, failure ? written(*failure) : "");
    if (failure) throw *failure;
    for (size_t r = 0; r < texts.size(); ++r) {
      if (!texts[r].empty()) throw read(texts[r], static_cast<int64_t>(r));
    }
  }
  checkpoint(context);
}

double RunRanks::sum_replicas(double value) const {
  return sum(replicas, value);
}

double RunRanks::sum_parts(double value) const {
  return sum(parts, value);
}

}  // namespace torchsight
