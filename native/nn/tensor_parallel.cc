#include "nn/tensor_parallel.h"

#include <ATen/ATen.h>

#include <array>

#include "runtime/error.h"

namespace torchsight {
namespace {

// The value of a text option among `names`.
template <typename Value, size_t N>
Value one_of(const ModuleOptions& options, const char* option,
             const std::array<std::pair<std::string_view, Value>, N>& names) {
  const std::string given = options.extra.get(option, std::string(names[0].first).c_str());
  std::string known;
  for (const auto& [name, value] : names) {
    if (name == given) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(ErrorCode::kBadConfig,
              "expected one of " + known + " for " + option + " but received \"" + given + "\"");
}

constexpr std::array kLayouts{std::pair{std::string_view("tokens"), Layout::kTokens},
                              std::pair{std::string_view("features"), Layout::kFeatures},
                              std::pair{std::string_view("replicated"), Layout::kReplicated}};
constexpr std::array kOverlaps{std::pair{std::string_view("auto"), Overlap::kAuto},
                               std::pair{std::string_view("ring"), Overlap::kRing},
                               std::pair{std::string_view("none"), Overlap::kNone}};

int64_t whole_number(const ModuleOptions& options, const char* option, int64_t least,
                     int64_t fallback) {
  const int64_t value = options.extra.get(option, fallback);
  if (value >= least) return value;
  throw Error(ErrorCode::kBadConfig, "expected at least " + std::to_string(least) + " for " +
                                         option + " but received " + std::to_string(value));
}

// The dtype in which partial sums travel, never narrower than the option says.
at::ScalarType reduce_dtype(const ModuleOptions& options) {
  const std::string name = options.extra.get("reduceDtype", "float32");
  if (name != "float32" && name != dtype_name(options.dtype)) {
    throw Error(
        ErrorCode::kBadConfig,
        "expected float32 or the model's dtype for reduceDtype but received \"" + name + "\"");
  }
  return name == "float32" ? at::promote_types(options.dtype, at::kFloat) : options.dtype;
}

}  // namespace

TensorParallel::TensorParallel(const ModuleOptions& options)
    : group_(options.group),
      ring_{one_of(options, "overlap", kOverlaps), whole_number(options, "pieces", 1, 1)},
      reduce_dtype_(reduce_dtype(options)) {
  const Layout layout = one_of(options, "layout", kLayouts);
  if (!group_) return;
  layout_ = layout;
  const std::chrono::microseconds delay(whole_number(options, "messageDelay", 0, 0));
  if (delay.count() > 0) group_ = make_delayed_group(group_, delay);
  group_ = make_traced_group(group_);
}

TensorParallel TensorParallel::replicated(ModuleOptions options) {
  options.extra.set("layout", "replicated");
  return TensorParallel(options);
}

void TensorParallel::check_divisible(int64_t value, std::string_view name) const {
  if (value % size() == 0) return;
  throw Error(ErrorCode::kBadConfig, "expected a multiple of " + std::to_string(size()) +
                                         " (the ranks of tensor parallelism) for " +
                                         std::string(name) + " but received " +
                                         std::to_string(value));
}

std::optional<Cut> TensorParallel::cut(int64_t dim, int64_t full) const {
  if (!sharded()) return std::nullopt;
  return Cut{dim, group_->rank() * share(full), share(full)};
}

at::Tensor TensorParallel::split(const at::Tensor& x_BNd) const {
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1), width = x_BNd.size(2);
  if (layout_ == Layout::kReplicated) return x_BNd.reshape({batch * tokens, width});
  if (layout_ == Layout::kFeatures) {
    const at::Tensor x_Rd = x_BNd.reshape({batch * tokens, width});
    return x_Rd.narrow(1, group_->rank() * share(width), share(width)).contiguous();
  }
  const int64_t local = padded(tokens) / size();
  const int64_t begin = std::min(group_->rank() * local, tokens);
  const int64_t present = std::min(local, tokens - begin);
  at::Tensor x_NBd = at::zeros({local, batch, width}, x_BNd.options());
  x_NBd.narrow(0, 0, present).copy_(x_BNd.narrow(1, begin, present).transpose(0, 1));
  return x_NBd.flatten(0, 1);
}

at::Tensor TensorParallel::join(const at::Tensor& x_Rd, const Extent& extent) const {
  at::Tensor all_Rd = x_Rd;
  if (layout_ == Layout::kTokens) all_Rd = gather_whole(group_, x_Rd);
  if (layout_ == Layout::kFeatures) all_Rd = join_columns(x_Rd);
  return batched(all_Rd, extent).contiguous();
}

at::Tensor TensorParallel::join_columns(const at::Tensor& x_Rw) const {
  if (!sharded()) return x_Rw;
  return gather_whole(group_, x_Rw.unsqueeze(0)).transpose(0, 1).flatten(1);
}

at::Tensor TensorParallel::sum(at::Tensor partial) const {
  if (!sharded()) return partial;
  at::Tensor sum = partial.to(reduce_dtype_).contiguous();
  group_->all_reduce(sum);
  return sum.to(partial.scalar_type());
}

at::Tensor TensorParallel::batched(const at::Tensor& x_Rw, const Extent& extent) const {
  if (layout_ != Layout::kTokens) return x_Rw.unflatten(0, {extent.batch, extent.tokens});
  const at::Tensor x_NBw = x_Rw.unflatten(0, {padded(extent.tokens), extent.batch});
  return x_NBw.narrow(0, 0, extent.tokens).transpose(0, 1);
}

at::Tensor TensorParallel::rows(const at::Tensor& x_BNw, const Extent& extent) const {
  if (layout_ != Layout::kTokens) return x_BNw.flatten(0, 1);
  const int64_t width = x_BNw.size(2), extra = padded(extent.tokens) - extent.tokens;
  at::Tensor x_NBw = at::empty({padded(extent.tokens), extent.batch, width}, x_BNw.options());
  x_NBw.narrow(0, 0, extent.tokens).copy_(x_BNw.transpose(0, 1));
  x_NBw.narrow(0, extent.tokens, extra).zero_();
  return x_NBw.flatten(0, 1);
}

at::Tensor TensorParallel::join_heads(const at::Tensor& x_BHNe) const {
  if (!sharded()) return x_BHNe;
  return group_->all_gather(x_BHNe.detach().transpose(0, 1).contiguous()).transpose(0, 1);
}

at::Tensor TensorParallel::join_statistics(const at::Tensor& largest_and_entropy) const {
  if (!sharded()) return largest_and_entropy;
  const at::Tensor all_T2 = group_->all_gather(largest_and_entropy.detach().unsqueeze(0));
  return at::stack({all_T2.select(1, 0).max(), all_T2.select(1, 1).mean()});
}

void TensorParallel::checkpoint(JobContext& context) const {
  Votes now = votes(context);
  now.cast();
  now.count();
}

}  // namespace torchsight
