#include "models/vit22b/sharding.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight::vit22b {
namespace {

void check_divisible(int64_t value, std::string_view name, int64_t ranks) {
  if (value % ranks == 0) return;
  throw Error(ErrorCode::kBadConfig, "expected a multiple of " + std::to_string(ranks) +
                                         " (the ranks of tensor parallelism) for " +
                                         std::string(name) + " but received " +
                                         std::to_string(value));
}

// The dtype in which partial sums travel: option reduceDtype, never narrower than it says.
at::ScalarType reduce_dtype(const ModuleOptions& options) {
  const std::string name = options.extra.get("reduceDtype", "float32");
  if (name != "float32" && name != dtype_name(options.dtype)) {
    throw Error(ErrorCode::kBadConfig,
                "expected float32 or the model's dtype for reduceDtype but "
                "received \"" +
                    name + "\"");
  }
  return name == "float32" ? at::promote_types(options.dtype, at::kFloat) : options.dtype;
}

}  // namespace

Sharding::Sharding(const Config& config, const ModuleOptions& options)
    : group_(options.group), reduce_dtype_(reduce_dtype(options)) {
  const std::string layout = options.extra.get("layout", "tokens");
  if (layout != "tokens") {
    throw Error(ErrorCode::kUnsupported,
                "expected \"tokens\" for layout but received \"" + layout + "\"");
  }
  if (!group_) return;
  check_divisible(config.heads, "num_attention_heads", size());
  check_divisible(config.hidden, "intermediate_size", size());
}

std::optional<Cut> Sharding::cut(int64_t dim, int64_t full) const {
  if (!sharded()) return std::nullopt;
  return Cut{dim, group_->rank() * share(full), share(full)};
}

at::Tensor Sharding::split(const at::Tensor& x_BNd) const {
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1);
  if (!sharded()) return x_BNd.reshape({batch * tokens, -1});
  const int64_t local = padded(tokens) / size();
  const int64_t begin = std::min(group_->rank() * local, tokens);
  const int64_t present = std::min(local, tokens - begin);
  at::Tensor x_NBd = at::zeros({local, batch, x_BNd.size(2)}, x_BNd.options());
  x_NBd.narrow(0, 0, present).copy_(x_BNd.narrow(1, begin, present).transpose(0, 1));
  return x_NBd.flatten(0, 1);
}

at::Tensor Sharding::join(const at::Tensor& x_Rd, const Extent& extent) const {
  return batched(gather(x_Rd), extent).contiguous();
}

at::Tensor Sharding::gather(const at::Tensor& x_Rd) const {
  return sharded() ? group_->all_gather(x_Rd.contiguous()) : x_Rd;
}

at::Tensor Sharding::reduce(const at::Tensor& partial_Rd) const {
  return group_->reduce_scatter(partial_Rd.to(reduce_dtype_).contiguous())
      .to(partial_Rd.scalar_type());
}

at::Tensor Sharding::batched(const at::Tensor& x_Rw, const Extent& extent) const {
  if (!sharded()) return x_Rw.unflatten(0, {extent.batch, extent.tokens});
  const at::Tensor x_NBw = x_Rw.unflatten(0, {padded(extent.tokens), extent.batch});
  return x_NBw.narrow(0, 0, extent.tokens).transpose(0, 1);
}

at::Tensor Sharding::rows(const at::Tensor& x_BNw, const Extent& extent) const {
  if (!sharded()) return x_BNw.flatten(0, 1);
  const int64_t width = x_BNw.size(2), extra = padded(extent.tokens) - extent.tokens;
  at::Tensor x_NBw = at::empty({padded(extent.tokens), extent.batch, width}, x_BNw.options());
  x_NBw.narrow(0, 0, extent.tokens).copy_(x_BNw.transpose(0, 1));
  x_NBw.narrow(0, extent.tokens, extra).zero_();
  return x_NBw.flatten(0, 1);
}

at::Tensor Sharding::join_heads(const at::Tensor& x_BHNe) const {
  if (!sharded()) return x_BHNe;
  return group_->all_gather(x_BHNe.transpose(0, 1).contiguous()).transpose(0, 1);
}

at::Tensor Sharding::join_statistics(const at::Tensor& largest_and_entropy) const {
  if (!sharded()) return largest_and_entropy;
  const at::Tensor all_T2 = group_->all_gather(largest_and_entropy.unsqueeze(0));
  return at::stack({all_T2.select(1, 0).max(), all_T2.select(1, 1).mean()});
}

void Sharding::checkpoint(JobContext& context) const {
  if (!sharded()) {
    context.checkpoint();
    return;
  }
  if (!group_->agree(context.cancelled())) return;
  context.checkpoint();  // names the reason on the rank that knows it
  throw Error(ErrorCode::kCancelled, "another rank of the group was cancelled");
}

}  // namespace torchsight::vit22b
