// The model that is measured: a variant of ViT-22B with weights drawn on the device itself.
#pragma once

#include <memory>

#include "bench/arguments.h"
#include "runtime/module.h"

namespace torchsight::bench {

/// config.json of the variant. Throws `Error(kUsage)` for an unknown one.
Json config_of(const Arguments& arguments);

/// The model on `device`, which must have room for it (`Error(kOutOfMemory)` otherwise). The same
/// weights each time: seeds are made of names.
std::shared_ptr<Module> make_model(const Arguments& arguments, at::Device device, bool float8);

/// Floating-point operations of one picture's `encode`, two for a multiply-add: all products, and
/// those of attention.
double operations(const Json& config);

}  // namespace torchsight::bench
