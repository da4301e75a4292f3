// From a request to a module that can be called: in this process, or in workers of its own.
#pragma once

#include <memory>

#include "runtime/module.h"

namespace torchsight {

/// A `LoadRequest` of lib/native/addon.ts, parsed.
struct LoadRequest {
  Json json;
  Json config;
  ModuleOptions options;

  /// Throws `Error(kBadInput)` where a field is missing or of the wrong type.
  explicit LoadRequest(Json json);
  /// Whether the module is to live in a process of its own, or in one for each rank.
  bool remote() const;
  /// Whether this process is one of the ranks, among those of a launcher.
  bool joins() const { return json.find("join") != nullptr; }
};

/// Makes the module in this process and fills it from the request's plan, or at random from its
/// seed; or opens the program that the request names.
std::shared_ptr<Module> load_here(const LoadRequest& request, JobContext& context);

/// Opens a package of programs that PyTorch has compiled ahead of time; `request` is a
/// `ProgramRequest` of lib/native/addon.ts. Each model becomes a method of its name, the default
/// `model` one called `forward`. Throws `Error(kBadInput)` with the reason NOT_TRUSTED unless
/// `trust` is true, since a package is native code; `Error(kBadCheckpoint)` for damaged packages;
/// `Error(kUnsupported)` for those that cannot run here.
std::shared_ptr<Module> load_program(const Json& request, JobContext& context);

}  // namespace torchsight
