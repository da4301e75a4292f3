#include "models/owlvit/heads.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "nn/parameters.h"

namespace torchsight::owlvit {
namespace {

// The share of patches that hold an object when training begins.
constexpr double kPrior = 0.01;

// The logit of x, finite at 0 and 1.
at::Tensor finite_logit(const at::Tensor& x) {
  return at::log(x + 1e-4) - at::log1p(-x + 1e-4);
}

}  // namespace

MlpHead::MlpHead(const Config& config, int64_t out, const ModuleOptions& options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.vision.width;
  const bool fuse = options.extra.get("fuse", true);
  dense0_ = FusedLinear(d, {{d, true, config.head_activation}}, fuse, memory);
  dense1_ = FusedLinear(d, {{d, true, config.head_activation}}, fuse, memory);
  dense2_ = Linear(at::empty({out, d}, memory));
  dense2_bias_ = at::empty({out}, memory);
}

at::Tensor MlpHead::operator()(const at::Tensor& features_Rd) {
  return dense2_(dense1_(dense0_(features_Rd).front()).front(), dense2_bias_);
}

void MlpHead::add_parameters(std::vector<Parameter>& parameters, const std::string& name,
                             Init last) {
  const Init lecun{Init::Kind::kLecunNormal};
  add_section(parameters, name + ".dense0", dense0_, 0, lecun);
  add_section(parameters, name + ".dense1", dense1_, 0, lecun);
  add_linear(parameters, name + ".dense2", dense2_, dense2_bias_, last);
}

at::Tensor box_bias(int64_t rows, int64_t columns, BoxBias kind, const at::Device& device) {
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const auto corners = [&](int64_t cells) {
    return finite_logit((at::arange(1, cells + 1, options) / cells).clamp(0, 1));
  };
  const at::Tensor x_hw = corners(columns).unsqueeze(0).expand({rows, columns});
  const at::Tensor y_hw = corners(rows).unsqueeze(1).expand({rows, columns});
  const at::Tensor cell_2 = at::stack({at::full({}, 1.0 / static_cast<double>(columns), options),
                                       at::full({}, 1.0 / static_cast<double>(rows), options)});
  at::Tensor location_P2 = at::stack({x_hw, y_hw}, -1).flatten(0, 1);
  at::Tensor size_P2 = finite_logit(cell_2).expand({rows * columns, 2});
  if (kind == BoxBias::kSize) location_P2 = at::zeros_like(location_P2);
  if (kind == BoxBias::kLocation) size_P2 = at::zeros_like(size_P2);
  return at::cat({location_P2, size_P2}, 1);
}

ClassHead::ClassHead(const Config& config, const ModuleOptions& options)
    : dense_(config.vision.width, {{config.embedding, true}, {1, true}, {1, true}},
             options.extra.get("fuse", true), tensor_options(options)) {}

void ClassHead::add_parameters(std::vector<Parameter>& parameters) {
  const Init bias{Init::Kind::kConstant, std::log(kPrior) - std::log(1 - kPrior)};
  const Init lecun{Init::Kind::kLecunNormal};
  add_section(parameters, "class_head.dense0", dense_, 0, normal(1e-6));
  add_section(parameters, "class_head.logit_shift", dense_, 1, lecun, bias);
  add_section(parameters, "class_head.logit_scale", dense_, 2, lecun);
}

ClassFeatures ClassHead::operator()(const at::Tensor& features_BPd) {
  const int64_t batch = features_BPd.size(0), patches = features_BPd.size(1);
  const std::vector<at::Tensor> parts = dense_(features_BPd.flatten(0, 1));
  const auto dtype = at::promote_types(features_BPd.scalar_type(), at::kFloat);
  const auto wide = [&](const at::Tensor& part_R1) {
    return part_R1.to(dtype).reshape({batch, patches});
  };
  return {parts[0].to(dtype).unflatten(0, {batch, patches}).contiguous(), wide(parts[1]),
          at::elu(wide(parts[2])) + 1};
}

at::Tensor normalized(const at::Tensor& embeds) {
  return embeds / (at::linalg_vector_norm(embeds, 2, {-1}, /*keepdim=*/true) + 1e-6);
}

at::Tensor query_logits(const ClassFeatures& features, const at::Tensor& queries_BQE,
                        const at::Tensor& mask_BQ) {
  const at::Tensor patches_BPE = normalized(features.embeds_BPE);
  const at::Tensor queries_BEQ = normalized(queries_BQE.to(patches_BPE.options())).transpose(1, 2);
  at::Tensor logits_BPQ = at::matmul(patches_BPE, queries_BEQ);
  logits_BPQ.add_(features.shift_BP.unsqueeze(-1)).mul_(features.scale_BP.unsqueeze(-1));
  if (!mask_BQ.defined()) return logits_BPQ;
  const at::Tensor padding_B1Q = mask_BQ.to(logits_BPQ.device()).logical_not().unsqueeze(1);
  return logits_BPQ.masked_fill_(padding_B1Q, std::numeric_limits<float>::lowest());
}

}  // namespace torchsight::owlvit
