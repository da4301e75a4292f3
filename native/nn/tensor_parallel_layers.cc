// Norms and products of `TensorParallel`.
#include <ATen/ATen.h>

#include "nn/derivative.h"
#include "nn/tensor_parallel.h"

namespace torchsight {

at::Tensor TensorParallel::own_features(const at::Tensor& vector_d) const {
  if (layout_ != Layout::kFeatures || !vector_d.defined()) return vector_d;
  return vector_d.narrow(0, group_->rank() * share(vector_d.size(0)), share(vector_d.size(0)));
}

at::Tensor TensorParallel::normalize(const Norm& norm, const at::Tensor& x_Rd) const {
  if (layout_ != Layout::kFeatures || norm.kind == NormKind::kNone) return norm(x_Rd);
  const auto width = static_cast<double>(x_Rd.size(1) * size());
  const auto mean_R1 = [&](const at::Tensor& values_Rd) {
    return sum_parts(group_, values_Rd.sum(1, /*keepdim=*/true)) / width;
  };
  at::Tensor y_Rd = x_Rd.to(at::promote_types(x_Rd.scalar_type(), at::kFloat));
  if (norm.kind == NormKind::kLayerNorm) y_Rd = y_Rd - mean_R1(y_Rd);
  y_Rd = y_Rd * at::rsqrt(mean_R1(y_Rd.square()) + norm.eps);
  if (norm.weight.defined()) y_Rd = y_Rd * own_features(norm.weight);
  if (norm.bias.defined()) y_Rd = y_Rd + own_features(norm.bias);
  return y_Rd.to(x_Rd.scalar_type());
}

std::vector<at::Tensor> TensorParallel::enter(FusedLinear& layer, const at::Tensor& x_Rd) const {
  if (!sharded()) return layer(x_Rd);
  if (at::GradMode::is_enabled()) {
    const std::vector<at::Tensor> matrices = layer.matrices();
    if (needs_derivative({x_Rd, matrices})) {
      return layer.finished(enter_products(products(), x_Rd, matrices));
    }
  }
  if (layout_ == Layout::kReplicated) return layer(x_Rd);
  std::vector<at::Tensor> results;
  if (layout_ == Layout::kTokens) {
    const int64_t local = x_Rd.size(0);
    gather_each(*group_, ring_, x_Rd, [&](int64_t from, int64_t begin, const at::Tensor& rows_Rd) {
      const std::vector<at::Tensor> parts = layer(rows_Rd);
      for (size_t s = 0; s < parts.size(); ++s) {
        if (results.size() == s) {
          results.push_back(at::empty({local * size(), parts[s].size(1)}, parts[s].options()));
        }
        results[s].narrow(0, from * local + begin, rows_Rd.size(0)).copy_(parts[s]);
      }
    });
    return results;
  }
  const std::vector<at::Tensor> weights = layer.weights();
  const int64_t width = x_Rd.size(1);
  // Half precision would round the sum with every block, so the more the more ranks there are.
  const at::TensorOptions sums = x_Rd.options().dtype(reduce_dtype_);
  for (const at::Tensor& weight_od : weights) {
    results.push_back(at::zeros({x_Rd.size(0), weight_od.size(0)}, sums));
  }
  gather_each(*group_, ring_, x_Rd, [&](int64_t from, int64_t begin, const at::Tensor& rows_Rd) {
    for (size_t s = 0; s < weights.size(); ++s) {
      const at::Tensor block_od = weights[s].narrow(1, from * width, width);
      at::Tensor sum_Ro = results[s].narrow(0, begin, rows_Rd.size(0));
      if (reduce_dtype_ == x_Rd.scalar_type()) {
        sum_Ro.addmm_(rows_Rd, block_od.t());
      } else {
        sum_Ro.add_(at::mm(rows_Rd, block_od.t()));
      }
    }
  });
  for (at::Tensor& result : results) result = result.to(x_Rd.scalar_type());
  layer.finish_(results);
  return results;
}

at::Tensor TensorParallel::sum_of_products(const std::vector<Exit>& exits, int64_t begin,
                                           int64_t count) const {
  at::Tensor sum_Rd;
  for (const Exit& exit : exits) {
    const at::Tensor rows_Rw = exit.in_Rw.narrow(0, begin, count);
    sum_Rd = sum_Rd.defined() ? exit.layer.add(rows_Rw, std::move(sum_Rd)) : exit.layer(rows_Rw);
  }
  return sum_Rd.to(reduce_dtype_);
}

at::Tensor TensorParallel::leave(at::Tensor x_Rd, const std::vector<Exit>& exits,
                                 const at::Tensor& bias_d) const {
  if (sharded() && at::GradMode::is_enabled()) {
    std::vector<at::Tensor> inputs, weights;
    for (const Exit& exit : exits) {
      inputs.push_back(exit.in_Rw);
      weights.push_back(exit.layer.weight());
    }
    if (needs_derivative({x_Rd, inputs, weights})) {
      x_Rd = x_Rd + leave_products(products(), inputs, weights).to(x_Rd.scalar_type());
      return bias_d.defined() ? x_Rd + own_features(bias_d) : x_Rd;
    }
  }
  const int64_t rows = x_Rd.size(0), width = x_Rd.size(1);
  at::Tensor sum_Rd;
  if (!sharded()) {
    sum_Rd = sum_of_products(exits, 0, rows);
  } else if (layout_ == Layout::kReplicated) {
    sum_Rd = sum_each(*group_, ring_, rows, [&](int64_t begin, int64_t count) {
      return sum_of_products(exits, begin, count);
    });
  } else if (layout_ == Layout::kTokens) {
    sum_Rd = reduce_each(*group_, ring_, rows, [&](int64_t block, int64_t begin, int64_t count) {
      return sum_of_products(exits, block * rows + begin, count);
    });
  } else {
    sum_Rd = reduce_each(*group_, ring_, rows, [&](int64_t block, int64_t begin, int64_t count) {
      at::Tensor partial_Rd;
      for (const Exit& exit : exits) {
        const at::Tensor rows_Rw = exit.in_Rw.narrow(0, begin, count);
        const at::Tensor block_dw = exit.layer.weight().narrow(0, block * width, width);
        if (partial_Rd.defined()) {
          partial_Rd.addmm_(rows_Rw, block_dw.t());
        } else {
          partial_Rd = at::mm(rows_Rw, block_dw.t());
        }
      }
      return partial_Rd.to(reduce_dtype_);
    });
  }
  x_Rd.add_(sum_Rd.to(x_Rd.scalar_type()));
  return bias_d.defined() ? x_Rd.add_(own_features(bias_d)) : x_Rd;
}

}  // namespace torchsight
