#include "models/paligemma/mask_codec.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight::paligemma {
namespace {

constexpr int64_t kSide = 64;   // pixels of a mask
constexpr int64_t kGrid = 4;    // codes along each side
constexpr int64_t kBatch = 32;  // masks between two checkpoints
constexpr size_t kResiduals = 2;
const std::vector<int64_t> kDecoderKernels{3, 3, 1};

// Masks are given in float32 at least, whatever the weights are.
at::ScalarType wide(at::ScalarType dtype) {
  return at::promote_types(dtype, at::kFloat);
}

std::vector<ResidualBlock> residuals(int64_t width, const std::vector<int64_t>& kernels,
                                     const ModuleOptions& options) {
  std::vector<ResidualBlock> blocks;
  for (size_t i = 0; i < kResiduals; ++i) blocks.emplace_back(width, kernels, options);
  return blocks;
}

TensorSpec batched(std::string name, std::vector<at::ScalarType> dtypes,
                   std::vector<std::string> shape) {
  return {std::move(name), std::move(dtypes), std::move(shape), /*optional=*/false,
          /*batch_axis=*/0};
}

MethodSchema schema(std::string name, std::string doc, TensorSpec input, TensorSpec output) {
  return {std::move(name), std::move(doc), {std::move(input)}, {std::move(output)}, {}, {}};
}

std::string layer(const char* part, size_t place) {
  return part + std::to_string(place);
}

}  // namespace

MaskCodec::MaskCodec(const MaskConfig& config, const ModuleOptions& options)
    : config_(config),
      codebook_KE_(at::empty({config.codes, config.embedding}, tensor_options(options))),
      decoder_{Convolution(config.embedding, config.width, 1, 1, options),
               residuals(config.width, kDecoderKernels, options),
               {},
               Convolution(config.decoder_channels.back(), 1, 1, 1, options)} {
  if (options.group) {
    throw Error(ErrorCode::kUnsupported,
                "expected one process for a mask codec but received a group of ranks");
  }
  int64_t from = config.width;
  for (const int64_t to : config.decoder_channels) {
    decoder_.doublings.emplace_back(std::exchange(from, to), to, options);
  }
  const TensorSpec ids = batched("mask_ids", {at::kLong}, {"N", "16"});
  const TensorSpec masks =
      batched("masks", {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}, {"N", "64", "64"});
  add_method(schema("decode_masks", "Masks of codes, about -1 outside of an object and 1 inside.",
                    ids, masks),
             [this](Call& call, JobContext& context) { return decode_masks(call, context); });
  if (config.decoder_only) return;

  const int64_t width = config.encoder_channels.back();
  encoder_.emplace(
      Encoder{{},
              residuals(width, config.encoder_residual_kernels, options),
              Convolution(width, config.embedding, config.encoder_last_kernel, 1, options)});
  from = 1;
  for (size_t i = 0; i < config.encoder_channels.size(); ++i) {
    const int64_t to = config.encoder_channels[i];
    encoder_->halvings.emplace_back(std::exchange(from, to), to, config.encoder_kernels[i], 2,
                                    options);
  }
  add_method(
      schema("encode_masks", "Codes of masks, 0 outside of an object and 1 inside.", masks, ids),
      [this](Call& call, JobContext& context) { return encode_masks(call, context); });
}

std::vector<std::string> MaskCodec::tap_names() const {
  std::vector<std::string> names{"codes", "decoder.3"};
  if (encoder_) names.insert(names.end(), {"encoder.6", "encoder.9", "encoder.10"});
  return names;
}

std::vector<Parameter> MaskCodec::parameters() {
  std::vector<Parameter> parameters;
  add_parameter(parameters, "_vq_vae._embedding", codebook_KE_, normal(1));
  decoder_.first.add_parameters(parameters, "decoder.0");
  for (size_t i = 0; i < kResiduals; ++i) {
    decoder_.residuals[i].add_parameters(parameters, layer("decoder.", 2 + i));
  }
  for (size_t i = 0; i < decoder_.doublings.size(); ++i) {
    decoder_.doublings[i].add_parameters(parameters, layer("decoder.", 4 + 2 * i));
  }
  decoder_.last.add_parameters(parameters, "decoder.12");
  if (!encoder_) return parameters;
  for (size_t i = 0; i < encoder_->halvings.size(); ++i) {
    encoder_->halvings[i].add_parameters(parameters, layer("encoder.", 2 * i));
  }
  for (size_t i = 0; i < kResiduals; ++i) {
    encoder_->residuals[i].add_parameters(parameters, layer("encoder.", 8 + i));
  }
  encoder_->last.add_parameters(parameters, "encoder.10");
  return parameters;
}

NamedTensors MaskCodec::decode_masks(Call& call, JobContext& context) {
  const at::Tensor& ids_N16 = call.input("mask_ids");
  if (ids_N16.lt(0).logical_or_(ids_N16.ge(config_.codes)).any().item<bool>()) {
    throw Error(ErrorCode::kBadInput,
                "expected codes from 0 to " + std::to_string(config_.codes - 1) +
                    " for mask_ids but received " + std::to_string(ids_N16.min().item<int64_t>()) +
                    " to " + std::to_string(ids_N16.max().item<int64_t>()));
  }
  const at::TensorOptions memory = codebook_KE_.options().dtype(wide(codebook_KE_.scalar_type()));
  const at::Tensor masks_Nhw = at::empty({ids_N16.size(0), kSide, kSide}, memory);
  in_batches(&MaskCodec::decode, ids_N16, masks_Nhw, call, context);
  NamedTensors results{{"masks", masks_Nhw}};
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

NamedTensors MaskCodec::encode_masks(Call& call, JobContext& context) {
  const at::Tensor& masks_Nhw = call.input("masks");
  if (!masks_Nhw.ge(0).logical_and_(masks_Nhw.le(1)).all().item<bool>()) {
    throw Error(ErrorCode::kBadInput, "expected numbers from 0 to 1 for masks but received others");
  }
  const at::Tensor ids_N16 =
      at::empty({masks_Nhw.size(0), kGrid * kGrid}, codebook_KE_.options().dtype(at::kLong));
  in_batches(&MaskCodec::encode, masks_Nhw, ids_N16, call, context);
  NamedTensors results{{"mask_ids", ids_N16}};
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

void MaskCodec::in_batches(Work work, const at::Tensor& input, const at::Tensor& output, Call& call,
                           JobContext& context) const {
  const int64_t count = input.size(0);
  // A tap is one tensor, so calls that ask for some are one batch.
  const int64_t step = call.taps.any() ? std::max<int64_t>(count, 1) : kBatch;
  for (int64_t first = 0; first < count; first += step) {
    context.checkpoint();
    const int64_t length = std::min(step, count - first);
    const at::Tensor part = input.narrow(0, first, length).to(codebook_KE_.device());
    output.narrow(0, first, length).copy_((this->*work)(part, call.taps));
    context.progress({static_cast<double>(first + length), static_cast<double>(count), "masks"});
  }
}

at::Tensor MaskCodec::decode(const at::Tensor& ids_N16, Taps& taps) const {
  at::Tensor x_Nchw = codebook_KE_.index_select(0, ids_N16.flatten())
                          .view({-1, kGrid, kGrid, config_.embedding})
                          .permute({0, 3, 1, 2});
  taps.record("codes", x_Nchw);
  x_Nchw = decoder_.first(x_Nchw).relu_();
  for (const ResidualBlock& block : decoder_.residuals) x_Nchw = block(x_Nchw);
  taps.record("decoder.3", x_Nchw);
  for (const Doubling& doubling : decoder_.doublings) x_Nchw = doubling(x_Nchw).relu_();
  return decoder_.last(x_Nchw).squeeze(1);
}

at::Tensor MaskCodec::encode(const at::Tensor& masks_Nhw, Taps& taps) const {
  at::Tensor x_Nchw = masks_Nhw.to(codebook_KE_.scalar_type()).unsqueeze(1).sub(0.5).mul_(2);
  for (const Convolution& halving : encoder_->halvings) x_Nchw = halving(x_Nchw).relu_();
  taps.record("encoder.6", x_Nchw);
  for (const ResidualBlock& block : encoder_->residuals) x_Nchw = block(x_Nchw);
  taps.record("encoder.9", x_Nchw);
  x_Nchw = encoder_->last(x_Nchw);
  taps.record("encoder.10", x_Nchw);
  // |x - e|² without |x|², which is the same for all codes.
  const at::ScalarType dtype = wide(codebook_KE_.scalar_type());
  const at::Tensor x_RE = x_Nchw.permute({0, 2, 3, 1}).reshape({-1, config_.embedding}).to(dtype);
  const at::Tensor codes_KE = codebook_KE_.to(dtype);
  const at::Tensor distances_RK =
      at::addmm(codes_KE.square().sum(1), x_RE, codes_KE.t(), /*beta=*/1, /*alpha=*/-2);
  return distances_RK.argmin(1).view({-1, kGrid * kGrid});
}

std::unique_ptr<Module> make_mask_codec(const Json& config, const ModuleOptions& options) {
  return std::make_unique<MaskCodec>(MaskConfig::from_json(config), options);
}

}  // namespace torchsight::paligemma
