// The parameters of a module as training sees them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "runtime/module.h"

namespace torchsight {

class Adapters;  // training/adapters.h

/// What a group of parameters has of its own.
struct GroupOptions {
  std::string pattern;  // of names, with * for anything: the first that fits counts
  double rate = 1;      // times the schedule's learning rate
  double decay = 0;     // of the weights, times the learning rate
  bool frozen = false;
};

/// The groups of `[{pattern, rate, decay, frozen}]`. Throws `Error(kBadConfig)`.
std::vector<GroupOptions> groups_from_json(const Json& json);

/// Whether `name` fits `pattern`, in which * stands for any text.
bool fits(std::string_view pattern, std::string_view name);

/// The memory that a view is a part of: what autograd sees of it.
at::Tensor leaf_of(const at::Tensor& value);

/// A parameter that is trained.
struct Weight {
  std::string name;
  at::Tensor value;  // the module's memory
  at::Tensor leaf;   // what autograd sees: `value`, or the joint matrix that it is a part of
  double rate = 1;
  double decay = 0;
  std::optional<Cut> cut = {};  // of the full tensor, where `value` is this rank's part of it
  std::vector<int64_t> full_shape = {};  // where it is cut
  bool partial = false;                  // as `Parameter::partial`

  std::vector<int64_t> full_sizes() const { return cut ? full_shape : value.sizes().vec(); }
  /// The gradient, in the shape of `value`; zeros where nothing flowed.
  at::Tensor gradient() const;
};

/// The parameters that are not frozen; with `adapters`, these and those parameters alone that fit a
/// group, but for the ones that are adapted. Their memory requires gradients from now on, so that
/// the module's methods can be differentiated where gradients are enabled. Throws
/// `Error(kBadConfig)` where a group's pattern fits nothing or nothing is left to train.
std::vector<Weight> weights_to_train(Module& module, const std::vector<GroupOptions>& groups,
                                     const Adapters* adapters = nullptr);

/// Forgets all gradients.
void clear_gradients(const std::vector<Weight>& weights);

}  // namespace torchsight
