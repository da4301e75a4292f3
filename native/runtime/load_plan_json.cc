#include "runtime/error.h"
#include "runtime/load_plan.h"

namespace torchsight {
namespace {

using Step = LoadEntry::Step;

Step::Kind kind_from(const std::string& name) {
  static const std::vector<std::pair<std::string_view, Step::Kind>> kinds{
      {"slice", Step::Kind::kSlice},         {"select", Step::Kind::kSelect},
      {"transpose", Step::Kind::kTranspose}, {"permute", Step::Kind::kPermute},
      {"reshape", Step::Kind::kReshape},     {"concat", Step::Kind::kConcat},
      {"stack", Step::Kind::kStack},         {"add", Step::Kind::kAdd}};
  for (const auto& [known, kind] : kinds) {
    if (known == name) return kind;
  }
  throw Error(ErrorCode::kBadInput,
              "expected a step of load plans for kind but received \"" + name + "\"");
}

Step step_from(const Json& json) {
  Step step;
  step.kind = kind_from(json.at("kind").as_string("kind"));
  step.dim = json.get("dim", 0);
  step.begin = json.get("begin", 0);
  step.end = json.get("end", 0);
  if (const Json* shape = json.find("shape")) step.shape = shape->as_ints("shape");
  return step;
}

LoadEntry::Source source_from(const Json& json) {
  LoadEntry::Source source{"", json.at("tensor").as_string("tensor")};
  const Json* files = json.find("files");
  if (!files) {
    source.file = json.at("file").as_string("file");
    return source;
  }
  source.dim = json.at("dim").as_int("dim");
  for (const Json& file : files->as_array("files")) {
    source.files.push_back(file.as_string("files"));
  }
  return source;
}

}  // namespace

LoadPlan LoadPlan::from_json(const Json& json) {
  LoadPlan plan;
  for (const Json& item : json.at("entries").as_array("entries")) {
    LoadEntry entry;
    entry.target = item.at("target").as_string("target");
    for (const Json& source : item.at("sources").as_array("sources")) {
      entry.sources.push_back(source_from(source));
    }
    if (const Json* steps = item.find("steps")) {
      for (const Json& step : steps->as_array("steps")) entry.steps.push_back(step_from(step));
    }
    plan.entries.push_back(std::move(entry));
  }
  return plan;
}

}  // namespace torchsight
