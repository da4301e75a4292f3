#include "runtime/votes.h"

#include <ATen/ops/full.h>

#include <utility>

#include "runtime/error.h"

namespace torchsight {

void Votes::cast() {
  if (!group_) return context_.checkpoint();
  count();
  votes_ = at::full({1}, context_.cancelled() ? 1.0f : 0.0f, at::kFloat);
  under_way_ = group_->start_all_reduce(votes_);
}

void Votes::count() {
  if (!under_way_) return;
  {
    // Other jobs of the device have their turn here, as at the checkpoints of a rank alone.
    const JobContext::Yielded yielded(context_);
    std::exchange(under_way_, nullptr)->wait();
  }
  if (votes_.item<float>() == 0) return;
  context_.checkpoint();  // names the reason on the rank that knows it
  throw Error(ErrorCode::kCancelled, "another rank of the group was cancelled");
}

}  // namespace torchsight
