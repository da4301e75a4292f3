// One stage of Imagen Video's cascade as a module: the U-Net, and what it is told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/imagen_video/unet.h"

namespace torchsight::imagen_video {

class Stage final : public Module {
 public:
  /// Throws `Error(kUnsupported)` for groups of ranks.
  Stage(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override { return unet_.part_names(); }
  std::vector<Parameter> parameters() override;
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;

  const Config& config() const { return config_; }
  /// A stage of its own with the same weights; with `guidance_input` or without, of which this one
  /// must have what the copy has.
  std::unique_ptr<Stage> copy(bool guidance_input);

 private:
  std::vector<TensorSpec> input_specs() const;
  NamedTensors predict(Call& call, JobContext& context);
  NamedTensors sample(Call& call, JobContext& context);
  void check(const Call& call) const;
  at::Tensor embedding(const Call& call, const TextContext& text) const;
  /// [B, H, T, T]: by distance, and only itself for a frame of a picture.
  at::Tensor frame_bias(const at::Tensor& is_clip_B, int64_t frames) const;

  Config config_;
  NumberEmbedding noise_;
  std::optional<NumberEmbedding> augmentation_, guidance_;
  TextEmbedding text_;
  at::Tensor frame_table_KH_;  // undefined without temporal attention
  Unet unet_;
};

/// The entry of the table of systems.
std::unique_ptr<Module> make_stage(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::imagen_video
