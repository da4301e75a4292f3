#include "nn/decoder/offset_norm.h"

#include <ATen/ATen.h>

#include "nn/parameters.h"

namespace torchsight {

OffsetNorm::OffsetNorm(int64_t width, double eps, const ModuleOptions& options)
    : stored_d_(at::empty({width}, tensor_options(options))), norm_{NormKind::kRms, eps} {}

at::Tensor OffsetNorm::operator()(const at::Tensor& x) {
  if (!norm_.weight.defined()) {
    norm_.weight = stored_d_.to(at::promote_types(stored_d_.scalar_type(), at::kFloat)) + 1;
  }
  return norm_(x);
}

void OffsetNorm::add_parameters(std::vector<Parameter>& parameters, const std::string& name) {
  norm_.weight.reset();
  add_parameter(parameters, name + ".weight", stored_d_, kZeros);
}

}  // namespace torchsight
