// Products that ranks compute together, with derivatives that they compute together as well.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "distributed/ring.h"

namespace torchsight {

/// What a rank has of the residual stream [B, N, d]. Heads and hidden units are cut alike in all.
enum class Layout {
  kTokens,  // N/T tokens: norms are local, blocks of tokens travel. N is padded to a multiple of T
  kFeatures,    // d/T features, as in the paper: norms sum over ranks, blocks of features travel
  kReplicated,  // all of it: one sum over the ranks for each product that leaves a layer
};

/// A group, and how its products travel.
struct ProductRanks {
  std::shared_ptr<Group> group;
  Layout layout = Layout::kReplicated;
  RingOptions ring;
  at::ScalarType reduce_dtype = at::kFloat;  // of partial sums on their way
};

// Each function below is a step of autograd's graph whose backward pass is the mirror of its
// forward pass: what gathered sums, and what summed gathers. All ranks build the same graph in the
// same order, and autograd works through it by the numbers that its steps were given then, highest
// first, on the thread that calls it (on a device, on that device's one thread). So the collectives
// of a backward pass come in the same order on every rank, as those of the forward pass do, as long
// as the same weights require gradients on all of them.

/// The stream's rows through weights [O, d] whose outputs are cut: rows of all tokens, [R, O] for
/// each. Backward: the products with the gradients, summed over the ranks into the stream's rows.
std::vector<at::Tensor> enter_products(const ProductRanks& ranks, const at::Tensor& x_Rd,
                                       const std::vector<at::Tensor>& weights_Od);

/// Rows of all tokens [R, w] through weights [d, w] whose inputs are cut: the sum of all products
/// over the ranks, as rows of the stream in `reduce_dtype`. Backward: the gathered gradients
/// through the weights.
at::Tensor leave_products(const ProductRanks& ranks, const std::vector<at::Tensor>& inputs_Rw,
                          const std::vector<at::Tensor>& weights_dw);

/// `local` of every rank, one after the other along dimension 0, for what all ranks then compute
/// alike. Backward: this rank's part of the gradient, which all have in whole.
at::Tensor gather_whole(const std::shared_ptr<Group>& group, const at::Tensor& local);

/// The sum over the ranks, of which each then makes a part of its own. Backward: the sum of the
/// gradients over the ranks.
at::Tensor sum_parts(const std::shared_ptr<Group>& group, const at::Tensor& partial);

}  // namespace torchsight
