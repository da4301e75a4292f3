// Making the parameters of a checkpoint contract: memory, initialisation and cuts.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "nn/compact_linear.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "runtime/module.h"

namespace torchsight {

inline constexpr Init kZeros{Init::Kind::kZeros};
inline constexpr Init kOnes{Init::Kind::kOnes};
inline constexpr Init kXavier{Init::Kind::kXavierUniform};
inline constexpr Init normal(double deviation) {
  return {Init::Kind::kNormal, deviation};
}

inline at::TensorOptions tensor_options(const ModuleOptions& options) {
  return at::TensorOptions().device(options.device).dtype(options.dtype);
}

/// A norm with unfilled scale [width] and, if `bias`, bias [width].
Norm make_norm(NormKind kind, bool bias, double eps, int64_t width, const ModuleOptions& options);

/// Adds `tensor`, this rank's cut of a tensor with the same sizes but for the cut dimension.
void add_parameter(std::vector<Parameter>& parameters, std::string name, at::Tensor tensor,
                   Init init, std::optional<Cut> cut = {}, int64_t full_length = 0);

/// The memory of a weight to be loaded into; on the meta device, so without memory, where the
/// weight was turned into integers.
at::Tensor plain_memory(const CompactLinear& layer);

/// Adds `name`.weight and, where there is one, `name`.bias.
void add_norm(std::vector<Parameter>& parameters, const std::string& name, const Norm& norm);

/// A cut, and how long its dimension is in full; none where `cut` is none.
struct Part {
  std::optional<Cut> cut = {};
  int64_t full_length = 0;
};

/// Adds `name`.weight and `name`.bias of one section of a joint layer, whose outputs may be cut.
void add_section(std::vector<Parameter>& parameters, const std::string& name, FusedLinear& layer,
                 size_t section, Init weight, Init bias = kZeros, const Part& part = {});

/// Adds `name`.weight, whose inputs may be cut, and, where there is one, `name`.bias.
void add_linear(std::vector<Parameter>& parameters, const std::string& name, Linear& layer,
                const at::Tensor& bias_O, Init weight, Init bias = kZeros, const Part& part = {});

}  // namespace torchsight
