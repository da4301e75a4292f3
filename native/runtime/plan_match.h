// A load plan held against a module's parameters and the files that it names.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/lazy_tensor.h"
#include "runtime/load_plan.h"

namespace torchsight {

/// The files of a plan, each opened once and kept open, so that what was checked is what is read.
class PlanFiles {
 public:
  const TensorFile& open(const std::string& path);

 private:
  std::map<std::string, std::unique_ptr<TensorFile>> files_;
};

/// The files of a source: one, or those of its pieces in order.
std::vector<std::string> files_of(const LoadEntry::Source& source);

/// What each parameter is filled from, in the order of the parameters. Throws
/// `Error(kBadCheckpoint)` with one report of all that is missing, left over or of a wrong shape.
std::vector<std::shared_ptr<const LazyTensor>> match(const LoadPlan& plan,
                                                     const std::vector<Parameter>& parameters,
                                                     PlanFiles& files);

/// The part of its full tensor that a parameter holds.
Box box_of(const Parameter& parameter);

}  // namespace torchsight
