// Several linear layers of one input, computed in as few products as is fastest.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/linear.h"

namespace torchsight {

class FusedLinear {
 public:
  /// One of the layers: `out` columns of the joint result.
  struct Section {
    int64_t out;
    bool bias = false;
    Activation activation = Activation::kNone;
  };

  FusedLinear() = default;
  /// Unfilled. With `fuse`, all weights are one matrix [sum of out, in]; without, each is its own
  /// and stays as it is.
  FusedLinear(int64_t in, std::vector<Section> sections, bool fuse,
              const at::TensorOptions& options);

  /// One result for each section, [rows, out]: contiguous rows, often slices of a joint matrix.
  std::vector<at::Tensor> operator()(const at::Tensor& x_RI);

  /// Completes sums that were computed outside, one for each section, by bias and activation.
  void finish_(std::vector<at::Tensor>& sums_Ro) const;

  /// The matrices that the input is multiplied with, as plain memory: a joint one with `fuse`, else
  /// one for each section.
  std::vector<at::Tensor> matrices();
  /// The sections of products [R, out] with `matrices` that were computed outside, completed by
  /// bias and activation.
  std::vector<at::Tensor> finished(const std::vector<at::Tensor>& products_RO) const;

  /// The weight of each section as plain memory, in which it stays until the next large product.
  /// On the meta device, so without memory, once they are float8.
  std::vector<at::Tensor> weights();

  /// Turns the weights into float8 numbers and releases the memory they had.
  void to_float8();
  /// The bias of a section; undefined where it has none.
  at::Tensor bias(size_t section) const;

 private:
  // A matrix over `count` sections from `first`.
  struct Part {
    size_t first;
    size_t count;
    at::Tensor weight;
    LinearKernel kernel = LinearKernel::kPlain;
    std::optional<float8::Rows> float8 = {};
  };

  void prepare(const at::Tensor& x_RI);
  /// Adds the bias to the sums of a section and applies its activation.
  void finish(at::Tensor& sum_RO, size_t section) const;
  int64_t begin_of(size_t section) const;
  /// The joint matrix as views of it: cut where the activation changes, or between all sections.
  std::vector<Part> cut(const Part& whole, bool everywhere) const;
  /// The joint matrix cut as is fastest for so many rows; empty where it stays as it is.
  std::vector<Part> cut_for(int64_t rows) const;
  std::vector<at::Tensor> sections_of(const Part& part, const at::Tensor& y_RO) const;
  std::vector<at::Tensor> run(const Part& part, const at::Tensor& x_RI,
                              const std::optional<float8::Rows>& x_float8) const;
  at::Tensor part_bias(const Part& part) const;

  std::vector<Section> sections_;
  bool fuse_ = true;
  bool chosen_ = false;
  std::vector<Part> parts_;
  at::Tensor bias_;  // of all sections; undefined where none has one
};

}  // namespace torchsight
