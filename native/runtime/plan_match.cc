#include "runtime/plan_match.h"

#include <algorithm>
#include <utility>

#include "io/key_set.h"
#include "runtime/error.h"

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

std::shared_ptr<const LazyTensor> source_of(const LoadEntry::Source& source, PlanFiles& files) {
  LazyList pieces;
  for (const std::string& path : files_of(source)) {
    const TensorFile& file = files.open(path);
    const TensorInfo* info = file.find(source.tensor);
    if (!info) {
      throw Error(ErrorCode::kBadCheckpoint, "there is no \"" + source.tensor + "\" in " + path,
                  "NO_TENSOR");
    }
    pieces.push_back(lazy_source(file, *info));
  }
  if (pieces.size() == 1) return pieces.front();
  return lazy_step({LoadEntry::Step::Kind::kConcat, source.dim}, pieces).front();
}

std::shared_ptr<const LazyTensor> resolve(const LoadEntry& entry, PlanFiles& files) {
  LazyList list;
  for (const LoadEntry::Source& source : entry.sources) list.push_back(source_of(source, files));
  for (const LoadEntry::Step& step : entry.steps) list = lazy_step(step, list);
  if (list.size() == 1) return list.front();
  throw Error(ErrorCode::kBadCheckpoint,
              std::to_string(list.size()) + " tensors are left where one must be", "PLAN_STEP");
}

}  // namespace

const TensorFile& PlanFiles::open(const std::string& path) {
  auto& file = files_[path];
  if (!file) file = open_tensor_file(path);
  return *file;
}

std::vector<std::string> files_of(const LoadEntry::Source& source) {
  return source.files.empty() ? std::vector<std::string>{source.file} : source.files;
}

std::vector<std::shared_ptr<const LazyTensor>> match(const LoadPlan& plan,
                                                     const std::vector<Parameter>& parameters,
                                                     PlanFiles& files) {
  Report report;
  KeySet names;
  for (const Parameter& parameter : parameters) names.insert(parameter.name);
  std::vector<std::shared_ptr<const LazyTensor>> found(parameters.size());
  std::vector<bool> named(parameters.size());
  for (const LoadEntry& entry : plan.entries) {
    const size_t at = names.find(entry.target);
    if (at == KeySet::kAbsent) {
      report.add("unexpected", entry.target);
      continue;
    }
    if (named[at]) report.add("filled twice", entry.target);
    named[at] = true;
    try {
      found[at] = resolve(entry, files);
      const auto& shape = found[at]->shape();
      if (shape == parameters[at].full_shape) continue;
      report.add("wrong shape", entry.target + ": expected " +
                                    lazy_text_of(parameters[at].full_shape) + " but received " +
                                    lazy_text_of(shape));
    } catch (const Error& error) {
      // A file that cannot be read at all is told by its own error.
      if (error.reason() != "PLAN_STEP" && error.reason() != "NO_TENSOR") throw;
      report.add("not in the files", entry.target + ": " + error.what());
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!named[i]) report.add("missing", parameters[i].name);
  }
  report.throw_if_any();
  return found;
}

Box box_of(const Parameter& parameter) {
  const Box whole = Box::whole(parameter.full_shape);
  if (!parameter.cut) return whole;
  const auto& cut = *parameter.cut;
  return whole.part(static_cast<size_t>(cut.dim), cut.begin, cut.length);
}

}  // namespace torchsight
