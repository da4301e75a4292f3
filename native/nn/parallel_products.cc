#include "nn/parallel_products.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace torchsight {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// What a backward pass needs beside tensors.
struct Held : torch::CustomClassHolder {
  explicit Held(ProductRanks ranks) : ranks(std::move(ranks)) {}
  ProductRanks ranks;
};

constexpr const char* kRanks = "ranks";

void hold(AutogradContext* ctx, const ProductRanks& ranks) {
  ctx->saved_data[kRanks] = c10::IValue::make_capsule(c10::make_intrusive<Held>(ranks));
}

const ProductRanks& held(AutogradContext* ctx) {
  return static_cast<const Held&>(*ctx->saved_data[kRanks].toCapsule()).ranks;
}

variable_list transposed(at::TensorList matrices) {
  variable_list turned;
  for (const at::Tensor& matrix : matrices) turned.push_back(matrix.t());
  return turned;
}

// The gathered x times each of `matrices` [d, O]: rows of all tokens. `all_Rd` becomes x in whole.
variable_list gather_products(const ProductRanks& ranks, const at::Tensor& x,
                              at::TensorList matrices, at::Tensor& all_Rd) {
  const int64_t rows = x.size(0), width = x.size(1), size = ranks.group->size();
  variable_list results;
  if (ranks.layout == Layout::kReplicated) {
    all_Rd = x;
    for (const at::Tensor& matrix : matrices) results.push_back(at::mm(x, matrix));
    return results;
  }
  const bool tokens = ranks.layout == Layout::kTokens;
  const int64_t all_rows = tokens ? rows * size : rows;
  all_Rd = at::empty({all_rows, tokens ? width : width * size}, x.options());
  // Blocks of features are added to each other, in the order in which they travel. Half precision
  // would round the sum with every block.
  const bool narrow = ranks.reduce_dtype != x.scalar_type();
  const at::TensorOptions sums = x.options().dtype(ranks.reduce_dtype);
  for (const at::Tensor& matrix : matrices) {
    results.push_back(tokens ? at::empty({all_rows, matrix.size(1)}, x.options())
                             : at::zeros({all_rows, matrix.size(1)}, sums));
  }
  gather_each(*ranks.group, ranks.ring, x,
              [&](int64_t from, int64_t begin, const at::Tensor& block) {
                const int64_t count = block.size(0);
                const int64_t row = tokens ? from * rows + begin : begin;
                at::Tensor mine = all_Rd.narrow(0, row, count);
                if (!tokens) mine = mine.narrow(1, from * width, width);
                mine.copy_(block);
                for (size_t i = 0; i < matrices.size(); ++i) {
                  at::Tensor result = results[i].narrow(0, row, count);
                  if (tokens) {
                    at::mm_out(result, block, matrices[i]);
                  } else if (narrow) {
                    result.add_(at::mm(block, matrices[i].narrow(0, from * width, width)));
                  } else {
                    result.addmm_(block, matrices[i].narrow(0, from * width, width));
                  }
                }
              });
  for (at::Tensor& result : results) result = result.to(x.scalar_type());
  return results;
}

// The sum over the ranks of all `inputs` [R, w] times `matrices` [w, d]: rows of the stream.
at::Tensor sum_products(const ProductRanks& ranks, at::TensorList inputs, at::TensorList matrices) {
  const int64_t size = ranks.group->size(), rows = inputs.front().size(0);
  const auto products = [&](int64_t begin, int64_t count, int64_t column, int64_t width) {
    at::Tensor sum_Rd;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const at::Tensor block = inputs[i].narrow(0, begin, count);
      const at::Tensor matrix = matrices[i].narrow(1, column, width);
      if (sum_Rd.defined()) {
        sum_Rd.addmm_(block, matrix);
      } else {
        sum_Rd = at::mm(block, matrix);
      }
    }
    return sum_Rd.to(ranks.reduce_dtype);
  };
  const int64_t width = matrices.front().size(1);
  if (ranks.layout == Layout::kReplicated) {
    return sum_each(*ranks.group, ranks.ring, rows,
                    [&](int64_t begin, int64_t count) { return products(begin, count, 0, width); });
  }
  const bool tokens = ranks.layout == Layout::kTokens;
  const int64_t own_rows = tokens ? rows / size : rows, own_width = tokens ? width : width / size;
  return reduce_each(*ranks.group, ranks.ring, own_rows,
                     [&](int64_t block, int64_t begin, int64_t count) {
                       return tokens ? products(block * own_rows + begin, count, 0, width)
                                     : products(begin, count, block * own_width, own_width);
                     });
}

// Autocast knows nothing of these steps, so they cast by themselves.
at::Tensor autocast(const at::Tensor& tensor) {
  const at::DeviceType device = tensor.device().type();
  if (!at::autocast::is_autocast_enabled(device)) return tensor;
  return at::autocast::cached_cast(at::autocast::get_autocast_dtype(device), tensor, device);
}

variable_list autocast(const variable_list& tensors) {
  variable_list cast;
  for (const at::Tensor& tensor : tensors) cast.push_back(autocast(tensor));
  return cast;
}

struct Enter : Function<Enter> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x_Rd,
                               at::TensorList weights_Od, const ProductRanks& ranks) {
    at::Tensor all_Rd;
    const variable_list results = gather_products(ranks, x_Rd, transposed(weights_Od), all_Rd);
    hold(ctx, ranks);
    variable_list saved{all_Rd};
    saved.insert(saved.end(), weights_Od.begin(), weights_Od.end());
    ctx->save_for_backward(saved);
    return results;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads_RO) {
    variable_list weights_Od = ctx->get_saved_variables();
    const at::Tensor all_Rd = weights_Od.front();
    weights_Od.erase(weights_Od.begin());
    variable_list results{{}};
    if (ctx->needs_input_grad(0)) {
      results[0] = sum_products(held(ctx), grads_RO, weights_Od).to(all_Rd.scalar_type());
    }
    for (size_t i = 0; i < weights_Od.size(); ++i) {
      results.push_back(ctx->needs_input_grad(i + 1) ? at::mm(grads_RO[i].t(), all_Rd)
                                                     : at::Tensor());
    }
    results.emplace_back();
    return results;
  }
};

struct Leave : Function<Leave> {
  static at::Tensor forward(AutogradContext* ctx, at::TensorList inputs_Rw,
                            at::TensorList weights_dw, const ProductRanks& ranks) {
    hold(ctx, ranks);
    variable_list saved = inputs_Rw.vec();
    saved.insert(saved.end(), weights_dw.begin(), weights_dw.end());
    ctx->save_for_backward(saved);
    return sum_products(ranks, inputs_Rw, transposed(weights_dw));
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const size_t count = saved.size() / 2;
    const variable_list weights_dw(saved.begin() + static_cast<int64_t>(count), saved.end());
    at::Tensor all_Rd;
    variable_list results = gather_products(
        held(ctx), grads.front().to(weights_dw.front().scalar_type()), weights_dw, all_Rd);
    for (size_t i = 0; i < count; ++i) {
      const bool needed = ctx->needs_input_grad(count + i);
      results.push_back(needed ? at::mm(all_Rd.t(), saved[i]) : at::Tensor());
    }
    results.emplace_back();
    return results;
  }
};

struct Gather : Function<Gather> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& local,
                            const std::shared_ptr<Group>& group) {
    ctx->saved_data["begin"] = group->rank() * local.size(0);
    ctx->saved_data["count"] = local.size(0);
    return group->all_gather(local);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const int64_t begin = ctx->saved_data["begin"].toInt(),
                  count = ctx->saved_data["count"].toInt();
    return {grads.front().narrow(0, begin, count), {}};
  }
};

struct SumParts : Function<SumParts> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& partial,
                            const std::shared_ptr<Group>& group) {
    hold(ctx, {group});
    return sum(group, partial);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {sum(held(ctx).group, grads.front()), {}};
  }

  static at::Tensor sum(const std::shared_ptr<Group>& group, const at::Tensor& partial) {
    at::Tensor sum = partial.clone(at::MemoryFormat::Contiguous);
    group->all_reduce(sum);
    return sum;
  }
};

}  // namespace

std::vector<at::Tensor> enter_products(const ProductRanks& ranks, const at::Tensor& x_Rd,
                                       const std::vector<at::Tensor>& weights_Od) {
  const variable_list weights = autocast(weights_Od);
  return Enter::apply(autocast(x_Rd), at::TensorList(weights), ranks);
}

at::Tensor leave_products(const ProductRanks& ranks, const std::vector<at::Tensor>& inputs_Rw,
                          const std::vector<at::Tensor>& weights_dw) {
  const variable_list inputs = autocast(inputs_Rw), weights = autocast(weights_dw);
  return Leave::apply(at::TensorList(inputs), at::TensorList(weights), ranks);
}

at::Tensor gather_whole(const std::shared_ptr<Group>& group, const at::Tensor& local) {
  return Gather::apply(local, group);
}

at::Tensor sum_parts(const std::shared_ptr<Group>& group, const at::Tensor& partial) {
  return SumParts::apply(partial, group);
}

}  // namespace torchsight
