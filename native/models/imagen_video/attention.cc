#include "models/imagen_video/attention.h"

#include <ATen/ATen.h>

namespace torchsight::imagen_video {
namespace {

// [N, M, C] to [N, H, M, e].
at::Tensor heads_of(const at::Tensor& x_NMC, int64_t heads) {
  return x_NMC.unflatten(2, {heads, -1}).transpose(1, 2);
}

at::Tensor merged(const at::Tensor& x_NHMe) {
  return x_NHMe.transpose(1, 2).flatten(2);
}

// Pixels of each frame as tokens, and back.
at::Tensor tokens_of(const at::Tensor& x_FCHW) {
  return x_FCHW.flatten(2).transpose(1, 2);
}

at::Tensor picture_of(const at::Tensor& x_FPC, const at::Tensor& like_FCHW) {
  return x_FPC.transpose(1, 2).reshape_as(like_FCHW);
}

// A convolution over three frames at each place.
at::Tensor over_frames(const Affine& conv, const at::Tensor& x_FCHW, int64_t frames) {
  const auto clips = x_FCHW.flatten(2).unflatten(0, {-1, frames}).transpose(1, 2);  // [B, C, T, P]
  const at::Tensor y_BCTP = at::conv2d(clips, conv.weight.unsqueeze(3), conv.bias, {1, 1}, {1, 0});
  return y_BCTP.transpose(1, 2).reshape_as(x_FCHW);
}

}  // namespace

SpatialAttention::SpatialAttention(const Config& config, int64_t channels, bool self, bool text,
                                   const ModuleOptions& options)
    : heads_(channels / config.head),
      self_(self),
      text_(text),
      norm1_(config, channels, options),
      norm2_(config, channels, options),
      q_({channels, channels}, false, options),
      out_({channels, channels}, false, options),
      in_({config.feed_forward * channels, channels}, true, options),
      down_({channels, config.feed_forward * channels}, true, options) {
  if (self) kv_ = Affine({2 * channels, channels}, false, options);
  if (text) text_kv_ = Affine({2 * channels, config.context}, true, options);
}

void SpatialAttention::add_parameters(std::vector<Parameter>& parameters,
                                      const std::string& prefix) const {
  norm1_.add_parameters(parameters, prefix + ".norm1");
  q_.add_parameters(parameters, prefix + ".q");
  if (self_) kv_.add_parameters(parameters, prefix + ".kv");
  if (text_) text_kv_.add_parameters(parameters, prefix + ".text_kv");
  out_.add_parameters(parameters, prefix + ".out", /*zero=*/true);
  norm2_.add_parameters(parameters, prefix + ".norm2");
  in_.add_parameters(parameters, prefix + ".in");
  down_.add_parameters(parameters, prefix + ".down", /*zero=*/true);
}

at::Tensor SpatialAttention::forward(const at::Tensor& x_FCHW, const TextContext& text,
                                     int64_t frames) const {
  const at::Tensor y_FPC = tokens_of(norm1_(x_FCHW));
  const int64_t count = y_FPC.size(0), pixels = y_FPC.size(1);
  std::vector<at::Tensor> kv;
  if (self_) kv.push_back(kv_.linear(y_FPC));
  std::optional<at::Tensor> seen_F11K;
  if (text_) {
    kv.push_back(text_kv_.linear(text.tokens_BLD).repeat_interleave(frames, 0));
    at::Tensor seen_FK = text.seen_BL.repeat_interleave(frames, 0);
    if (self_) seen_FK = at::cat({seen_FK.new_ones({count, pixels}), seen_FK}, 1);
    seen_F11K = seen_FK.unsqueeze(1).unsqueeze(1);
  }
  const std::vector<at::Tensor> parts = at::cat(kv, 1).chunk(2, 2);
  const at::Tensor a_FHPe = at::scaled_dot_product_attention(heads_of(q_.linear(y_FPC), heads_),
                                                             heads_of(parts[0], heads_),
                                                             heads_of(parts[1], heads_), seen_F11K);
  const at::Tensor attended = x_FCHW + picture_of(out_.linear(merged(a_FHPe)), x_FCHW);
  const at::Tensor u_FPC = at::silu(in_.linear(tokens_of(norm2_(attended))));
  return attended + picture_of(down_.linear(u_FPC), x_FCHW);
}

TemporalAttention::TemporalAttention(const Config& config, int64_t channels,
                                     const ModuleOptions& options)
    : heads_(channels / config.head),
      norm_(config, channels, options),
      qkv_({3 * channels, channels}, false, options),
      out_({channels, channels}, false, options) {}

void TemporalAttention::add_parameters(std::vector<Parameter>& parameters,
                                       const std::string& prefix) const {
  norm_.add_parameters(parameters, prefix + ".norm");
  qkv_.add_parameters(parameters, prefix + ".qkv");
  out_.add_parameters(parameters, prefix + ".out", /*zero=*/true);
}

at::Tensor TemporalAttention::forward(const at::Tensor& x_FCHW, const at::Tensor& bias_BHTT,
                                      int64_t frames) const {
  const at::Tensor y_FPC = tokens_of(norm_(x_FCHW));
  const int64_t pixels = y_FPC.size(1), channels = y_FPC.size(2);
  // [B P, T, C]: the frames at each place.
  const at::Tensor y_NTC =
      y_FPC.unflatten(0, {-1, frames}).transpose(1, 2).reshape({-1, frames, channels});
  const std::vector<at::Tensor> qkv = qkv_.linear(y_NTC).chunk(3, 2);
  const int64_t batch = y_FPC.size(0) / frames;
  const at::Tensor bias_NHTT = bias_BHTT.narrow(1, 0, heads_)
                                   .unsqueeze(1)
                                   .expand({batch, pixels, heads_, frames, frames})
                                   .flatten(0, 1);
  const at::Tensor a_NHTe = at::scaled_dot_product_attention(
      heads_of(qkv[0], heads_), heads_of(qkv[1], heads_), heads_of(qkv[2], heads_), bias_NHTT);
  const at::Tensor o_FPC = out_.linear(merged(a_NHTe))
                               .unflatten(0, {batch, pixels})
                               .transpose(1, 2)
                               .reshape({batch * frames, pixels, channels});
  return x_FCHW + picture_of(o_FPC, x_FCHW);
}

TemporalConvolution::TemporalConvolution(const Config& config, int64_t channels,
                                         const ModuleOptions& options)
    : norm1_(config, channels, options),
      norm2_(config, channels, options),
      conv1_({channels, channels, 3}, true, options),
      conv2_({channels, channels, 3}, true, options) {}

void TemporalConvolution::add_parameters(std::vector<Parameter>& parameters,
                                         const std::string& prefix) const {
  norm1_.add_parameters(parameters, prefix + ".norm1");
  conv1_.add_parameters(parameters, prefix + ".conv1");
  norm2_.add_parameters(parameters, prefix + ".norm2");
  conv2_.add_parameters(parameters, prefix + ".conv2", /*zero=*/true);
}

at::Tensor TemporalConvolution::forward(const at::Tensor& x_FCHW, const at::Tensor& clips_F111,
                                        int64_t frames) const {
  at::Tensor h_FCHW = over_frames(conv1_, at::silu(norm1_(x_FCHW)), frames);
  h_FCHW = over_frames(conv2_, at::silu(norm2_(h_FCHW)), frames);
  return x_FCHW + h_FCHW * clips_F111;
}

}  // namespace torchsight::imagen_video
