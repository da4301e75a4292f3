#include "models/imagen_video/unet.h"

#include <ATen/ATen.h>

#include <numbers>

#include "nn/parameters.h"
#include "nn/recompute.h"

namespace torchsight::imagen_video {
namespace {

at::Tensor doubled(const Affine& conv, const at::Tensor& x_FCHW) {
  return conv.conv(at::upsample_nearest2d(x_FCHW, {2 * x_FCHW.size(2), 2 * x_FCHW.size(3)}));
}

// Channels behind the way up: the last resampling of the efficient kind leads back to `dim`.
int64_t last_width(const Config& config) {
  return config.kind == Kind::kEfficient ? config.dim : config.levels.front().channels;
}

std::string of(const char* way, size_t level) {
  return std::string(way) + "." + std::to_string(level);
}

using Work = std::function<at::Tensor(const at::Tensor&, const Surroundings&)>;

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

// `work` of `parts` joined over channels, computed again in the backward pass where that is wanted.
// What all blocks share is computed from weights as well, so that it has gradients of each.
at::Tensor computed(std::vector<at::Tensor> parts, const Surroundings& around, const Work& work) {
  if (!around.recompute) return work(joined(parts), around);
  const auto count = static_cast<int64_t>(parts.size());
  std::vector<at::Tensor> inputs = std::move(parts);
  inputs.insert(inputs.end(), {around.e_BE, around.text.tokens_BLD, around.bias_BHTT});
  const Surroundings constant{{}, {{}, around.text.seen_BL}, {}, around.clips_F111, around.frames,
                              {}};
  const JointLayer layer = [work, constant, count](const std::vector<at::Tensor>& in) {
    Surroundings own = constant;
    own.e_BE = in[count];
    own.text.tokens_BLD = in[count + 1];
    own.bias_BHTT = in[count + 2];
    return work(joined({in.begin(), in.begin() + count}), own);
  };
  return recomputed(std::move(inputs), layer, layer);
}

}  // namespace

Mixing::Mixing(const Config& config, int64_t channels, bool self, bool text,
               const ModuleOptions& options) {
  if (self || text) space_.emplace(config, channels, self, text, options);
  if (config.temporal.attention) attention_.emplace(config, channels, options);
  if (config.temporal.convolution) convolution_.emplace(config, channels, options);
}

at::Tensor Mixing::forward(at::Tensor x_FCHW, const Surroundings& around) const {
  if (space_) x_FCHW = space_->forward(x_FCHW, around.text, around.frames);
  if (attention_) x_FCHW = attention_->forward(x_FCHW, around.bias_BHTT, around.frames);
  if (convolution_) x_FCHW = convolution_->forward(x_FCHW, around.clips_F111, around.frames);
  return x_FCHW;
}

void Mixing::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const {
  if (space_) space_->add_parameters(parameters, prefix + ".space");
  if (attention_) attention_->add_parameters(parameters, prefix + ".time");
  if (convolution_) convolution_->add_parameters(parameters, prefix + ".time_conv");
}

Unet::Unet(const Config& config, const ModuleOptions& options)
    : config_(config),
      stem_({config.dim, config.channels + config.low_res_channels, 3, 3}, true, options),
      out_norm_(config, last_width(config), options),
      out_({config.channels, last_width(config), 3, 3}, true, options) {
  const auto& levels = config.levels;
  const size_t count = levels.size();
  const auto conv = [&](int64_t in, int64_t out) { return Affine({out, in, 3, 3}, true, options); };
  int64_t width = config.dim;
  std::vector<int64_t> skips{width};  // of the plain kind: every feature on the way down
  for (size_t l = 0; l < count; ++l) {
    const LevelConfig& level = levels[l];
    Level made;
    if (efficient()) made.resample = conv(width, width);
    for (int64_t b = 0; b < level.blocks; ++b) {
      made.blocks.emplace_back(config, width, level.channels, efficient(), options);
      width = level.channels;
      const bool last = b + 1 == level.blocks;
      if (!efficient() || last) {
        made.mixing.emplace_back(config, width, level.self, level.text, options);
      }
      skips.push_back(width);
    }
    if (!efficient() && l + 1 < count) {
      made.resample = conv(width, width);
      skips.push_back(width);
    }
    down_.push_back(std::move(made));
  }
  if (!efficient()) {
    for (int i = 0; i < 2; ++i) middle_blocks_.emplace_back(config, width, width, false, options);
    middle_mixing_.emplace_back(config, width, config.any_self(), config.any_text(), options);
  }
  up_.resize(count);
  for (size_t l = count; l-- > 0;) {
    const LevelConfig& level = levels[l];
    const int64_t blocks = level.blocks + (efficient() ? 0 : 1);
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t skip = 0;
      if (!efficient()) {
        skip = skips.back();
        skips.pop_back();
      } else if (b == 0) {
        skip = level.channels;
      }
      up_[l].blocks.emplace_back(config, width + skip, level.channels, efficient(), options);
      width = level.channels;
      if (!efficient() || b + 1 == blocks) {
        up_[l].mixing.emplace_back(config, width, level.self, level.text, options);
      }
    }
    if (efficient()) {
      const int64_t finer = l > 0 ? levels[l - 1].channels : config.dim;
      up_[l].resample = conv(width, finer);
      width = finer;
    } else if (l > 0) {
      up_[l].resample = conv(width, width);
    }
  }
}

void Unet::add_parameters(std::vector<Parameter>& parameters) const {
  stem_.add_parameters(parameters, "in_conv");
  const auto add = [&](const std::vector<Level>& levels, const char* way) {
    for (size_t l = 0; l < levels.size(); ++l) {
      const std::string prefix = of(way, l);
      const size_t without = levels[l].blocks.size() - levels[l].mixing.size();
      for (size_t b = 0; b < levels[l].blocks.size(); ++b) {
        const std::string block = prefix + "." + std::to_string(b);
        levels[l].blocks[b].add_parameters(parameters, block + ".res");
        if (b >= without) levels[l].mixing[b - without].add_parameters(parameters, block);
      }
      if (levels[l].resample) levels[l].resample->add_parameters(parameters, prefix + ".resample");
    }
  };
  add(down_, "down");
  for (size_t i = 0; i < middle_blocks_.size(); ++i) {
    middle_blocks_[i].add_parameters(parameters, "mid." + std::to_string(i) + ".res");
    if (i == 0) middle_mixing_[0].add_parameters(parameters, "mid.0");
  }
  add(up_, "up");
  out_norm_.add_parameters(parameters, "out.norm");
  out_.add_parameters(parameters, "out.conv", /*zero=*/true);
}

std::vector<std::string> Unet::part_names() const {
  std::vector<std::string> names{"stem"};
  for (size_t l = 0; l < down_.size(); ++l) names.push_back(of("down", l));
  if (!efficient()) names.emplace_back("mid");
  for (size_t l = up_.size(); l-- > 0;) names.push_back(of("up", l));
  return names;
}

at::Tensor Unet::run_block(const Level& level, size_t block, std::vector<at::Tensor> parts,
                           const Surroundings& around) const {
  const size_t without = level.blocks.size() - level.mixing.size();
  return computed(std::move(parts), around,
                  [&level, block, without](const at::Tensor& x_FCHW, const Surroundings& own) {
                    at::Tensor y_FCHW = level.blocks[block].forward(x_FCHW, own.e_BE, own.frames);
                    if (block < without) return y_FCHW;
                    return level.mixing[block - without].forward(std::move(y_FCHW), own);
                  });
}

at::Tensor Unet::middle(at::Tensor x_FCHW, const Surroundings& around) const {
  x_FCHW = computed({std::move(x_FCHW)}, around, [this](const at::Tensor& x, const auto& own) {
    return middle_mixing_[0].forward(middle_blocks_[0].forward(x, own.e_BE, own.frames), own);
  });
  return computed({std::move(x_FCHW)}, around, [this](const at::Tensor& x, const auto& own) {
    return middle_blocks_[1].forward(x, own.e_BE, own.frames);
  });
}

at::Tensor Unet::forward_plain(at::Tensor x_FCHW, const Surroundings& around) const {
  std::vector<at::Tensor> skips{x_FCHW};
  for (size_t l = 0; l < down_.size(); ++l) {
    for (size_t b = 0; b < down_[l].blocks.size(); ++b) {
      x_FCHW = run_block(down_[l], b, {x_FCHW}, around);
      skips.push_back(x_FCHW);
    }
    if (down_[l].resample) {
      x_FCHW = down_[l].resample->conv(x_FCHW, 2);
      skips.push_back(x_FCHW);
    }
    around.done(of("down", l), x_FCHW);
  }
  x_FCHW = middle(x_FCHW, around);
  around.done("mid", x_FCHW);
  for (size_t l = up_.size(); l-- > 0;) {
    for (size_t b = 0; b < up_[l].blocks.size(); ++b) {
      x_FCHW = run_block(up_[l], b, {x_FCHW, skips.back()}, around);
      skips.pop_back();
    }
    if (up_[l].resample) x_FCHW = doubled(*up_[l].resample, x_FCHW);
    around.done(of("up", l), x_FCHW);
  }
  return x_FCHW;
}

at::Tensor Unet::forward_efficient(at::Tensor x_FCHW, const Surroundings& around) const {
  std::vector<at::Tensor> skips;
  for (size_t l = 0; l < down_.size(); ++l) {
    x_FCHW = down_[l].resample->conv(x_FCHW, 2);
    for (size_t b = 0; b < down_[l].blocks.size(); ++b) {
      x_FCHW = run_block(down_[l], b, {x_FCHW}, around);
    }
    skips.push_back(x_FCHW);
    around.done(of("down", l), x_FCHW);
  }
  for (size_t l = up_.size(); l-- > 0;) {
    std::vector<at::Tensor> parts{x_FCHW, skips[l] / std::numbers::sqrt2};
    for (size_t b = 0; b < up_[l].blocks.size(); ++b) {
      x_FCHW = run_block(up_[l], b, std::move(parts), around);
      parts = {x_FCHW};
    }
    x_FCHW = doubled(*up_[l].resample, x_FCHW);
    around.done(of("up", l), x_FCHW);
  }
  return x_FCHW;
}

at::Tensor Unet::forward(const at::Tensor& x_FIHW, const Surroundings& around) const {
  // Channels innermost: so pixels are tokens, and frames a dimension of pictures, without copies.
  const at::Tensor x_FCHW = stem_.conv(x_FIHW.contiguous(at::MemoryFormat::ChannelsLast));
  around.done("stem", x_FCHW);
  const at::Tensor y_FCHW =
      efficient() ? forward_efficient(x_FCHW, around) : forward_plain(x_FCHW, around);
  return out_.conv(at::silu(out_norm_(y_FCHW)));
}

}  // namespace torchsight::imagen_video
