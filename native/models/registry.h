// The systems that are there: one line of the table each.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/module.h"

namespace torchsight {

struct ModelType {
  /// What `config["model_type"]` says.
  std::string_view name;
  /// Makes the module with unfilled parameters. Throws `Error(kBadConfig)`.
  std::unique_ptr<Module> (*make)(const Json& config, const ModuleOptions& options);
};

/// The table behind `make_module` and `model_types`.
const std::vector<ModelType>& model_table();

}  // namespace torchsight
