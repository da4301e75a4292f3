#include "runtime/load_plan.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "runtime/error.h"
#include "runtime/plan_match.h"

namespace torchsight {
namespace {

double bytes_of(const Parameter& parameter) {
  return static_cast<double>(parameter.tensor.nbytes());
}

}  // namespace

void execute(const LoadPlan& plan, PlanFiles& files, Module& module, JobContext& context) {
  const at::NoGradGuard no_grad;
  const std::vector<Parameter> parameters = module.parameters();
  const auto sources = match(plan, parameters, files);
  Progress progress{0, 0, "load"};
  for (const Parameter& parameter : parameters) progress.total += bytes_of(parameter);
  for (size_t i = 0; i < parameters.size(); ++i) {
    context.checkpoint();
    context.progress(progress);
    const Parameter& parameter = parameters[i];
    const Box box = box_of(parameter);
    if (parameter.tensor.sizes() != at::IntArrayRef(box.length)) {
      throw Error(ErrorCode::kInternal, "expected memory of shape " + lazy_text_of(box.length) +
                                            " for " + parameter.name + " but received " +
                                            lazy_text_of(parameter.tensor.sizes().vec()));
    }
    if (parameter.tensor.numel() > 0) sources[i]->read(box, parameter.tensor);
    progress.done += bytes_of(parameter);
  }
  context.progress(progress);
}

void execute(const LoadPlan& plan, Module& module, JobContext& context) {
  PlanFiles files;
  execute(plan, files, module, context);
}

}  // namespace torchsight
