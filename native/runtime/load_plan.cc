#include "runtime/load_plan.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>

#include "io/checkpoint.h"
#include "io/key_set.h"
#include "runtime/error.h"
#include "runtime/lazy_tensor.h"

namespace torchsight {
namespace {

constexpr size_t kReported = 20;  // lines of each kind in a report

// Everything that is wrong with a plan, told at once.
class Report {
 public:
  void add(const std::string& heading, const std::string& line) {
    for (auto& [known, lines] : sections_) {
      if (known == heading) return lines.push_back(line);
    }
    sections_.push_back({heading, {line}});
  }
  void throw_if_any() const {
    if (sections_.empty()) return;
    std::string text = "expected a checkpoint that fills every parameter of the model but received";
    for (const auto& [heading, lines] : sections_) {
      text += "\n  " + heading + " (" + std::to_string(lines.size()) + "):";
      for (size_t i = 0; i < std::min(lines.size(), kReported); ++i) text += "\n    " + lines[i];
      if (lines.size() > kReported) {
        text += "\n    and " + std::to_string(lines.size() - kReported) + " more";
      }
    }
    throw Error(ErrorCode::kBadCheckpoint, text, "STRICT_LOAD");
  }

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> sections_;
};

std::string text_of(at::IntArrayRef shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

// Opens each file of a plan once and keeps it open, so that what was checked is what is read.
class Files {
 public:
  const TensorFile& open(const std::string& path) {
    auto& file = files_[path];
    if (!file) file = open_tensor_file(path);
    return *file;
  }

 private:
  std::map<std::string, std::unique_ptr<TensorFile>> files_;
};

std::shared_ptr<const LazyTensor> resolve(const LoadEntry& entry, Files& files) {
  LazyList list;
  for (const LoadEntry::Source& source : entry.sources) {
    const TensorFile& file = files.open(source.file);
    const TensorInfo* info = file.find(source.tensor);
    if (!info) {
      throw Error(ErrorCode::kBadCheckpoint,
                  "there is no \"" + source.tensor + "\" in " + source.file, "NO_TENSOR");
    }
    list.push_back(lazy_source(file, *info));
  }
  for (const LoadEntry::Step& step : entry.steps) list = lazy_step(step, list);
  if (list.size() == 1) return list.front();
  throw Error(ErrorCode::kBadCheckpoint,
              std::to_string(list.size()) + " tensors are left where one must be", "PLAN_STEP");
}

Box box_of(const Parameter& parameter) {
  const Box whole = Box::whole(parameter.full_shape);
  if (!parameter.cut) return whole;
  const auto& cut = *parameter.cut;
  return whole.part(static_cast<size_t>(cut.dim), cut.begin, cut.length);
}

struct Loading {
  const Parameter* parameter;
  std::shared_ptr<const LazyTensor> from;
};

std::vector<Loading> match(const LoadPlan& plan, const std::vector<Parameter>& parameters,
                           Files& files) {
  Report report;
  KeySet names;
  for (const Parameter& parameter : parameters) names.insert(parameter.name);
  std::vector<Loading> loadings(parameters.size());
  for (const LoadEntry& entry : plan.entries) {
    const size_t at = names.find(entry.target);
    if (at == KeySet::kAbsent) {
      report.add("unexpected", entry.target);
      continue;
    }
    const Parameter& parameter = parameters[at];
    if (loadings[at].parameter) report.add("filled twice", entry.target);
    loadings[at].parameter = &parameter;
    try {
      loadings[at].from = resolve(entry, files);
      const auto& shape = loadings[at].from->shape();
      if (shape == parameter.full_shape) continue;
      report.add("wrong shape", entry.target + ": expected " + text_of(parameter.full_shape) +
                                    " but received " + text_of(shape));
    } catch (const Error& error) {
      // A file that cannot be read at all is told by its own error.
      if (error.reason() != "PLAN_STEP" && error.reason() != "NO_TENSOR") throw;
      report.add("not in the files", entry.target + ": " + error.what());
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!loadings[i].parameter) report.add("missing", parameters[i].name);
  }
  report.throw_if_any();
  return loadings;
}

int64_t bytes_of(const Parameter& parameter) {
  return static_cast<int64_t>(parameter.tensor.nbytes());
}

}  // namespace

void execute(const LoadPlan& plan, Module& module, JobContext& context) {
  const at::NoGradGuard no_grad;
  const std::vector<Parameter> parameters = module.parameters();
  Files files;
  const std::vector<Loading> loadings = match(plan, parameters, files);
  Progress progress{0, 0, "load"};
  for (const Parameter& parameter : parameters) {
    progress.total += static_cast<double>(bytes_of(parameter));
  }
  for (const Loading& loading : loadings) {
    context.checkpoint();
    context.progress(progress);
    const Parameter& parameter = *loading.parameter;
    const Box box = box_of(parameter);
    if (parameter.tensor.sizes() != at::IntArrayRef(box.length)) {
      throw Error(ErrorCode::kInternal, "expected memory of shape " + text_of(box.length) +
                                            " for " + parameter.name + " but received " +
                                            text_of(parameter.tensor.sizes()));
    }
    if (parameter.tensor.numel() > 0) loading.from->read(box, parameter.tensor);
    progress.done += static_cast<double>(bytes_of(parameter));
  }
  context.progress(progress);
}

void save(Module& module, const std::filesystem::path& folder, uint64_t shard_bytes,
          JobContext& context) {
  std::vector<TensorOutline> outlines;
  const std::vector<Parameter> parameters = module.parameters();
  KeySet names;
  Progress progress{0, 0, "save"};
  for (const Parameter& parameter : parameters) {
    if (parameter.cut) {
      throw Error(ErrorCode::kUnsupported,
                  "expected an unsharded model to save but received one "
                  "that holds a part of " +
                      parameter.name);
    }
    if (parameter.tensor.is_meta()) {
      throw Error(ErrorCode::kUnsupported,
                  "expected weights as they were loaded to save but received integers for " +
                      parameter.name);
    }
    names.insert(parameter.name);
    outlines.push_back(
        {parameter.name, parameter.tensor.scalar_type(), parameter.tensor.sizes().vec()});
    progress.total += static_cast<double>(bytes_of(parameter));
  }
  const auto value = [&](const TensorOutline& outline) {
    context.checkpoint();
    context.progress(progress);
    progress.done += static_cast<double>(outline.bytes());
    return parameters[names.find(outline.name)].tensor;
  };
  write_checkpoint(folder, outlines, shard_bytes, value, {{"format", "pt"}});
  context.progress(progress);
}

}  // namespace torchsight
