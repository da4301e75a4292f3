#include "nn/fused_linear.h"

#include <ATen/ATen.h>

namespace torchsight {

FusedLinear::FusedLinear(int64_t in, std::vector<Section> sections, bool fuse,
                         const at::TensorOptions& options)
    : sections_(std::move(sections)), fuse_(fuse) {
  const int64_t out = begin_of(sections_.size());
  if (fuse) {
    parts_.push_back({0, sections_.size(), at::empty({out, in}, options)});
  } else {
    for (size_t s = 0; s < sections_.size(); ++s) {
      parts_.push_back({s, 1, at::empty({sections_[s].out, in}, options)});
    }
  }
  for (const Section& section : sections_) {
    if (section.bias && !bias_.defined()) bias_ = at::zeros({out}, options);
  }
}

int64_t FusedLinear::begin_of(size_t section) const {
  int64_t begin = 0;
  for (size_t s = 0; s < section; ++s) begin += sections_[s].out;
  return begin;
}

at::Tensor FusedLinear::bias(size_t section) const {
  if (!sections_[section].bias) return {};
  return bias_.narrow(0, begin_of(section), sections_[section].out);
}

at::Tensor FusedLinear::part_bias(const Part& part) const {
  bool any = false;
  for (size_t s = part.first; s < part.first + part.count; ++s) any |= sections_[s].bias;
  if (!any) return {};
  const int64_t begin = begin_of(part.first);
  return bias_.narrow(0, begin, begin_of(part.first + part.count) - begin);
}

std::vector<at::Tensor> FusedLinear::operator()(const at::Tensor& x_RI) {
  prepare(x_RI.size(0));
  std::vector<at::Tensor> results;
  for (const Part& part : parts_) {
    // One activation for the whole part can run inside the product; several run on its slices.
    bool alike = true;
    for (size_t s = part.first; s < part.first + part.count; ++s) {
      alike &= sections_[s].activation == sections_[part.first].activation;
    }
    const at::Tensor y_RO =
        alike ? apply_linear(x_RI, part.weight, part.kernel, part_bias(part),
                             sections_[part.first].activation)
              : apply_linear(x_RI, part.weight, part.kernel, {}, Activation::kNone);
    for (size_t s = part.first; s < part.first + part.count; ++s) {
      const int64_t begin = begin_of(s) - begin_of(part.first);
      results.push_back(y_RO.narrow(1, begin, sections_[s].out));
      if (!alike) activate_(results.back(), bias(s), sections_[s].activation);
    }
  }
  return results;
}

void FusedLinear::finish_(std::vector<at::Tensor>& sums_Ro) const {
  for (size_t s = 0; s < sections_.size(); ++s) {
    activate_(sums_Ro[s], bias(s), sections_[s].activation);
  }
}

std::vector<FusedLinear::Part> FusedLinear::parts_by_activation(const at::Tensor& whole) const {
  std::vector<Part> parts;
  for (size_t s = 0; s < sections_.size(); ++s) {
    if (parts.empty() || sections_[s].activation != sections_[s - 1].activation) {
      parts.push_back({s, 0, {}});
    }
    ++parts.back().count;
  }
  for (Part& part : parts) {
    const int64_t begin = begin_of(part.first);
    part.weight = whole.narrow(0, begin, begin_of(part.first + part.count) - begin);
  }
  return parts;
}

void FusedLinear::prepare(int64_t rows) {
  if (chosen_ || !fuse_) return;
  const at::Tensor whole = parts_.front().weight;
  if (!worth_choosing(rows, whole.numel(), whole.options())) return;
  chosen_ = true;
  std::vector<Part> parts = parts_by_activation(whole);
  std::vector<LinearShape> shapes;
  for (const Part& part : parts) {
    shapes.push_back({part.weight.size(0), whole.size(1), sections_[part.first].activation});
  }
  const LinearKernel kernel = choose_linear_kernel(rows, shapes);
  // Only oneDNN gains by cutting the matrix: an activation of its own for each part.
  if (kernel == LinearKernel::kBlocked) parts_ = std::move(parts);
  for (Part& part : parts_) {
    part.weight = pack_weight(part.weight, kernel, rows);
    part.kernel = kernel;
  }
}

std::vector<at::Tensor> FusedLinear::weights() {
  if (fuse_ && chosen_) {
    std::vector<at::Tensor> plain;
    for (const Part& part : parts_) plain.push_back(unpack_weight(part.weight, part.kernel));
    const at::Tensor whole = plain.size() == 1 ? plain.front() : at::cat(plain);
    parts_ = {{0, sections_.size(), whole}};
    chosen_ = false;
  }
  std::vector<at::Tensor> weights;
  for (const Part& part : parts_) {
    int64_t begin = 0;
    for (size_t s = part.first; s < part.first + part.count; ++s) {
      weights.push_back(part.weight.narrow(0, begin, sections_[s].out));
      begin += sections_[s].out;
    }
  }
  return weights;
}

}  // namespace torchsight
