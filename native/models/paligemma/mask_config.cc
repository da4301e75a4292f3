#include "models/paligemma/mask_config.h"

#include <utility>

#include "runtime/config_reader.h"

namespace torchsight::paligemma {
namespace {

// Far above any codec that exists; they keep the memory of its weights below 4 GiB.
constexpr int64_t kMaxCodes = 1 << 16;
constexpr int64_t kMaxChannels = 1 << 12;
constexpr int64_t kMaxKernel = 9;
constexpr double kMaxParameters = 1e9;

double parameters_of(const MaskConfig& c) {
  const auto of = [](int64_t in, int64_t out, int64_t kernel) {
    return static_cast<double>(in) * static_cast<double>(out * kernel * kernel);
  };
  double sum =
      of(c.codes, c.embedding, 1) + of(c.embedding, c.width, 1) + 4 * of(c.width, c.width, 3);
  int64_t from = c.width;
  for (const int64_t to : c.decoder_channels) sum += of(std::exchange(from, to), to, 4);
  from = 1;
  for (size_t i = 0; i < c.encoder_channels.size(); ++i) {
    const int64_t to = c.encoder_channels[i];
    sum += of(std::exchange(from, to), to, c.encoder_kernels[i]);
  }
  for (const int64_t kernel : c.encoder_residual_kernels) sum += 2 * of(from, from, kernel);
  return sum + of(from, c.embedding, c.encoder_last_kernel);
}

}  // namespace

MaskConfig MaskConfig::from_json(const Json& json) {
  const ConfigReader config(json);
  MaskConfig c;
  c.codes = config.size("codes", kMaxCodes, c.codes);
  c.embedding = config.size("embedding_dim", kMaxChannels, c.embedding);
  c.width = config.size("hidden_size", kMaxChannels, c.width);
  c.decoder_channels = config.sizes("decoder_channels", kMaxChannels, c.decoder_channels);
  c.encoder_channels = config.sizes("encoder_channels", kMaxChannels, c.encoder_channels);
  c.encoder_kernels = config.sizes("encoder_kernels", kMaxKernel, c.encoder_kernels);
  c.encoder_residual_kernels =
      config.sizes("encoder_residual_kernels", kMaxKernel, c.encoder_residual_kernels);
  c.encoder_last_kernel = config.size("encoder_last_kernel", kMaxKernel, c.encoder_last_kernel);
  c.decoder_only = config.flag("decoder_only", c.decoder_only);
  if (const double parameters = parameters_of(c); parameters > kMaxParameters) {
    config.refuse("at most 1e9 parameters", "the codec's sizes", std::to_string(parameters));
  }
  return c;
}

}  // namespace torchsight::paligemma
