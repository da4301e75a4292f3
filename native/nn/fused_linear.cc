#include "nn/fused_linear.h"

#include <ATen/ATen.h>

#include "nn/derivative.h"

namespace torchsight {
namespace {

constexpr int64_t kManyRows = 2048;

}  // namespace

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
  prepare(x_RI);
  std::optional<float8::Rows> x_float8;
  if (parts_.front().float8) x_float8 = float8::to_rows(x_RI);
  std::vector<at::Tensor> results;
  const std::vector<Part> apart = cut_for(x_RI.size(0));
  for (const Part& part : apart.empty() ? parts_ : apart) {
    for (at::Tensor& result : run(part, x_RI, x_float8)) results.push_back(std::move(result));
  }
  return results;
}

std::vector<at::Tensor> FusedLinear::run(const Part& part, const at::Tensor& x_RI,
                                         const std::optional<float8::Rows>& x_float8) const {
  // One activation for the whole part can run inside the product; several run on its slices.
  bool alike = true;
  for (size_t s = part.first; s < part.first + part.count; ++s) {
    alike &= sections_[s].activation == sections_[part.first].activation;
  }
  const Activation activation = alike ? sections_[part.first].activation : Activation::kNone;
  const at::Tensor bias_O = alike ? part_bias(part) : at::Tensor();
  at::Tensor y_RO;
  if (part.float8) {
    y_RO = float8::product(*x_float8, *part.float8, bias_O, x_RI.scalar_type());
    activate_(y_RO, {}, activation);
  } else {
    y_RO = apply_linear(x_RI, part.weight, part.kernel, bias_O, activation);
  }
  std::vector<at::Tensor> results = sections_of(part, y_RO);
  for (size_t i = 0; !alike && i < results.size(); ++i) finish(results[i], part.first + i);
  return results;
}

// In one step of autograd, so that the gradients of the sections are put side by side once.
std::vector<at::Tensor> FusedLinear::sections_of(const Part& part, const at::Tensor& y_RO) const {
  std::vector<int64_t> widths;
  for (size_t s = part.first; s < part.first + part.count; ++s) widths.push_back(sections_[s].out);
  return y_RO.split_with_sizes(widths, 1);
}

void FusedLinear::finish(at::Tensor& sum_RO, size_t section) const {
  const at::Tensor bias_O = bias(section);
  if (!needs_derivative(sum_RO, bias_O)) {
    activate_(sum_RO, bias_O, sections_[section].activation);
    return;
  }
  sum_RO = activated(bias_O.defined() ? sum_RO + bias_O : sum_RO, sections_[section].activation);
}

void FusedLinear::finish_(std::vector<at::Tensor>& sums_Ro) const {
  for (size_t s = 0; s < sections_.size(); ++s) {
    finish(sums_Ro[s], s);
  }
}

std::vector<at::Tensor> FusedLinear::matrices() {
  weights();
  std::vector<at::Tensor> matrices;
  for (const Part& part : parts_) matrices.push_back(part.weight);
  return matrices;
}

std::vector<at::Tensor> FusedLinear::finished(const std::vector<at::Tensor>& products_RO) const {
  std::vector<at::Tensor> results;
  for (size_t p = 0; p < parts_.size(); ++p) {
    for (at::Tensor& section : sections_of(parts_[p], products_RO[p])) {
      results.push_back(std::move(section));
      finish(results.back(), results.size() - 1);
    }
  }
  return results;
}

std::vector<FusedLinear::Part> FusedLinear::cut(const Part& whole, bool everywhere) const {
  std::vector<Part> parts;
  for (size_t s = 0; s < sections_.size(); ++s) {
    const bool changes = s == 0 || sections_[s].activation != sections_[s - 1].activation;
    if (changes || everywhere) parts.push_back({s, 0, {}});
    ++parts.back().count;
  }
  for (Part& part : parts) {
    const int64_t begin = begin_of(part.first);
    const int64_t out = begin_of(part.first + part.count) - begin;
    part.weight = whole.weight.narrow(0, begin, out);
    if (whole.float8) part.float8 = whole.float8->narrow(begin, out);
  }
  return parts;
}

std::vector<FusedLinear::Part> FusedLinear::cut_for(int64_t rows) const {
  const Part& first = parts_.front();
  const bool on_card = first.float8 ? first.float8->numbers.is_cuda() : first.weight.is_cuda();
  if (!fuse_ || !(on_card || first.float8)) return {};
  // Many rows fill a card with each section alone, whose result then needs no copy to be whole.
  return cut(first, rows >= kManyRows);
}

void FusedLinear::to_float8() {
  weights();  // as plain memory
  for (Part& part : parts_) {
    if (part.float8) continue;
    part.float8 = float8::to_rows(part.weight);
    part.weight = at::empty_like(part.weight, at::TensorOptions().device(at::kMeta));
  }
}

void FusedLinear::prepare(const at::Tensor& x_RI) {
  const at::Tensor whole = parts_.front().weight;
  if (needs_derivative(x_RI, whole)) {
    weights();
    return;
  }
  if (chosen_ || !fuse_ || whole.requires_grad()) return;
  const int64_t rows = x_RI.size(0);
  if (!worth_choosing(rows, whole.numel(), whole.options())) return;
  chosen_ = true;
  std::vector<Part> parts = cut(parts_.front(), /*everywhere=*/false);
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
