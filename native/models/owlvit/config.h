// config.json of model_type owlvit and owlv2, checked. Field names and defaults are transformers';
// what its checkpoints do not know is marked as our own (lib/models/owlvit/README.md).
#pragma once

#include <cstdint>
#include <string>

#include "io/json.h"
#include "nn/encoder_config.h"

namespace torchsight::owlvit {

enum class MergeClassToken { kMultiply, kDrop };
enum class BoxBias { kBoth, kLocation, kSize };

struct Config {
  std::string model_type = "owlvit";
  EncoderConfig vision, text;
  int64_t image = 768;  // pixels of a side
  int64_t patch = 32;
  int64_t channels = 3;
  int64_t vocabulary = 49408;
  int64_t context = 16;     // positions of the text tower
  int64_t embedding = 512;  // projection_dim, E
  double logit_scale = 2.6592;
  bool objectness = false;  // OWLv2's third head
  // Our own switches, at their defaults as transformers computes.
  double merged_norm_eps = 1e-5;
  Activation head_activation = Activation::kGelu;
  MergeClassToken merge = MergeClassToken::kMultiply;
  BoxBias box_bias = BoxBias::kBoth;

  /// Patches along one side of the position table.
  int64_t grid() const { return image / patch; }

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::owlvit
