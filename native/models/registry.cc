#include "models/registry.h"

#include "diagnostics/diagnostics.h"
#include "models/gemma/gemma.h"
#include "models/imagen_video/imagen_video.h"
#include "models/owlvit/owlvit.h"
#include "models/paligemma/mask_codec.h"
#include "models/paligemma/paligemma.h"
#include "models/siglip/siglip.h"
#include "models/t5/t5.h"
#include "models/vit22b/vit22b.h"
#include "runtime/error.h"

namespace torchsight {

const std::vector<ModelType>& model_table() {
  static const std::vector<ModelType> table{
      {"gemma", &gemma::make_gemma},
      {"gemma2", &gemma::make_gemma},
      {"imagen_video_unet", &imagen_video::make_stage},
      {"owlv2", &owlvit::make_owlvit},
      {"owlvit", &owlvit::make_owlvit},
      {"paligemma", &paligemma::make_paligemma},
      {"paligemma_masks", &paligemma::make_mask_codec},
      {"siglip", &siglip::make_siglip},
      {"siglip2", &siglip::make_siglip},
      {"siglip2_text_model", &siglip::make_siglip},
      {"siglip2_vision_model", &siglip::make_siglip},
      {"siglip_text_model", &siglip::make_siglip},
      {"siglip_vision_model", &siglip::make_siglip},
      {"t5", &t5::make_t5},
      {"vit22b", &vit22b::make_vit22b},
      {"torchsight_diagnostics", &make_diagnostics},
  };
  return table;
}

std::vector<std::string> model_types() {
  std::vector<std::string> names;
  for (const ModelType& type : model_table()) names.emplace_back(type.name);
  return names;
}

std::unique_ptr<Module> make_module(const Json& config, const ModuleOptions& options) {
  const Json* type = config.find("model_type");
  if (!type || !type->is_string()) {
    throw Error(ErrorCode::kBadConfig, "expected a string for model_type but received " +
                                           (type ? type->dump() : std::string("nothing")));
  }
  std::string known;
  for (const ModelType& entry : model_table()) {
    if (entry.name == type->as_string()) {
      std::unique_ptr<Module> module = entry.make(config, options);
      module->set_options(options);
      return module;
    }
    known += known.empty() ? "" : ", ";
    known += entry.name;
  }
  throw Error(ErrorCode::kUnsupported, "expected one of " + (known.empty() ? "none" : known) +
                                           " for model_type but received \"" + type->as_string() +
                                           "\"");
}

}  // namespace torchsight
