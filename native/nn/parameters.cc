#include "nn/parameters.h"

#include <ATen/ATen.h>

namespace torchsight {

Norm make_norm(NormKind kind, bool bias, double eps, int64_t width, const ModuleOptions& options) {
  Norm norm{kind, eps, at::empty({width}, tensor_options(options)), {}};
  if (bias) norm.bias = at::empty({width}, tensor_options(options));
  return norm;
}

void add_parameter(std::vector<Parameter>& parameters, std::string name, at::Tensor tensor,
                   Init init, std::optional<Cut> cut, int64_t full_length) {
  std::vector<int64_t> full_shape = tensor.sizes().vec();
  if (cut) full_shape[cut->dim] = full_length;
  parameters.push_back(
      {std::move(name), std::move(tensor), std::move(full_shape), init, cut, /*buffer=*/false});
}

at::Tensor plain_memory(const CompactLinear& layer) {
  if (!layer.quantized()) return layer.dense();
  return at::empty(layer.shape(), at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
}

void add_norm(std::vector<Parameter>& parameters, const std::string& name, const Norm& norm) {
  add_parameter(parameters, name + ".weight", norm.weight, kOnes);
  if (norm.bias.defined()) add_parameter(parameters, name + ".bias", norm.bias, kZeros);
}

void add_section(std::vector<Parameter>& parameters, const std::string& name, FusedLinear& layer,
                 size_t section, Init weight, Init bias, const Part& part) {
  const auto add = [&](const char* ending, at::Tensor tensor, Init init) {
    add_parameter(parameters, name + ending, std::move(tensor), init, part.cut, part.full_length);
  };
  add(".weight", layer.weights()[section], weight);
  if (const at::Tensor bias_O = layer.bias(section); bias_O.defined()) add(".bias", bias_O, bias);
}

void add_linear(std::vector<Parameter>& parameters, const std::string& name, Linear& layer,
                const at::Tensor& bias_O, Init weight, Init bias, const Part& part) {
  add_parameter(parameters, name + ".weight", layer.weight(), weight, part.cut, part.full_length);
  if (bias_O.defined()) add_parameter(parameters, name + ".bias", bias_O, bias);
}

}  // namespace torchsight
