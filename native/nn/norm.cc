#include "nn/norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstring>

#include "nn/derivative.h"
#include "nn/row_kernels.h"

namespace torchsight {
namespace {

bool fast(const at::Tensor& x, const Norm& norm) {
  return !needs_derivative(x, norm.weight, norm.bias) && x.is_cpu() &&
         x.scalar_type() == at::kFloat && x.stride(-1) == 1;
}

const float* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

// Libtorch's kernels read memory once, but want one dtype for all operands.
bool has_kernel(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) {
  const auto alike = [&x](const at::Tensor& row) {
    return !row.defined() || row.scalar_type() == x.scalar_type();
  };
  const bool biased = norm.kind == NormKind::kRms && norm.bias.defined();
  return (x.is_cuda() || needs_derivative(x, weight, norm.bias)) && !biased && alike(weight) &&
         alike(norm.bias);
}

at::Tensor normalize_by_kernel(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) {
  const auto given = [](const at::Tensor& row) {
    return row.defined() ? std::optional(row) : std::nullopt;
  };
  const std::vector<int64_t> width{x.size(-1)};
  return norm.kind == NormKind::kLayerNorm
             ? at::layer_norm(x, width, given(weight), given(norm.bias), norm.eps)
             : at::rms_norm(x, width, given(weight), norm.eps);
}

// The formula on any device and dtype. `weight` is a row, one for each head, or undefined.
at::Tensor normalize(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) {
  const bool row = !weight.defined() || weight.dim() == 1;
  if (row && has_kernel(x, norm, weight)) return normalize_by_kernel(x, norm, weight);
  at::Tensor y = x.to(at::promote_types(x.scalar_type(), at::kFloat));
  if (norm.kind == NormKind::kLayerNorm) y = y - y.mean(-1, true);
  y = y * at::rsqrt(y.square().mean(-1, true) + norm.eps);
  if (weight.defined()) y = y * weight;
  if (norm.bias.defined()) y = y + norm.bias;
  return y.to(x.scalar_type());
}

at::Tensor normalize_heads(const at::Tensor& x_BNHe, const Norm& norm) {
  if (norm.kind == NormKind::kNone) return x_BNHe;
  const bool per_head = norm.weight.defined() && norm.weight.dim() == 2;
  if (!per_head || norm.bias.defined()) return normalize(x_BNHe, norm, norm.weight);
  const auto dtype = at::promote_types(x_BNHe.scalar_type(), at::kFloat);
  return (normalize(x_BNHe.to(dtype), norm, {}) * norm.weight).to(x_BNHe.scalar_type());
}

}  // namespace

at::Tensor Norm::operator()(const at::Tensor& x) const {
  if (kind == NormKind::kNone) return x.contiguous();
  if (!fast(x, *this)) return normalize(x, *this, weight).contiguous();
  const at::Tensor source = x.contiguous();
  at::Tensor result = at::empty_like(source);
  const int64_t width = x.size(-1), rows = width ? x.numel() / width : 0;
  const float* const in = source.const_data_ptr<float>();
  float* const out = result.mutable_data_ptr<float>();
  const float *const scale = data_or_null(weight), *const shift = data_or_null(bias);
  const auto normalize_row = row_kernels().normalize;
  const auto eps_f = static_cast<float>(eps);
  const bool centre = kind == NormKind::kLayerNorm;
  at::parallel_for(0, rows, 8, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      normalize_row(in + row * width, out + row * width, width, scale, shift, eps_f, centre);
    }
  });
  return result;
}

at::Tensor Norm::heads(const at::Tensor& x_BNd, int64_t heads) const {
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1), width = x_BNd.size(2) / heads;
  const bool per_head = weight.defined() && weight.dim() == 2;
  if (!fast(x_BNd, *this)) {
    const at::Tensor x_BNHe = x_BNd.unflatten(2, {heads, width});
    if (x_BNd.is_cuda() || needs_derivative(x_BNd, weight, bias)) {
      // Attention reads heads at any stride there.
      return normalize_heads(x_BNHe, *this).transpose(1, 2);
    }
    const at::Tensor x_BHNe = x_BNHe.transpose(1, 2);
    if (kind == NormKind::kNone) return x_BHNe.contiguous();
    return normalize(x_BHNe, *this, per_head ? weight.unsqueeze(1) : weight).contiguous();
  }
  at::Tensor result_BHNe = at::empty({batch, heads, tokens, width}, x_BNd.options());
  const int64_t batch_stride = x_BNd.stride(0), token_stride = x_BNd.stride(1);
  const float* const in = x_BNd.const_data_ptr<float>();
  float* const out = result_BHNe.mutable_data_ptr<float>();
  const float *const scale = data_or_null(weight), *const shift = data_or_null(bias);
  const auto normalize_row = row_kernels().normalize;
  const auto eps_f = static_cast<float>(eps);
  const NormKind kind_ = kind;
  at::parallel_for(0, batch * tokens, 8, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row / tokens, n = row % tokens;
      const float* const from = in + b * batch_stride + n * token_stride;
      for (int64_t h = 0; h < heads; ++h) {
        float* const to = out + ((b * heads + h) * tokens + n) * width;
        if (kind_ == NormKind::kNone) {
          std::memcpy(to, from + h * width, width * sizeof(float));
        } else {
          normalize_row(from + h * width, to, width, per_head ? scale + h * width : scale, shift,
                        eps_f, kind_ == NormKind::kLayerNorm);
        }
      }
    }
  });
  return result_BHNe;
}

}  // namespace torchsight
