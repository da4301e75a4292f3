#include "runtime/load_agreement.h"

#include <array>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "distributed/group.h"
#include "io/digest.h"
#include "runtime/error.h"
#include "runtime/together.h"

namespace torchsight {
namespace {

using Member = std::string LoadSummary::*;

constexpr std::array<std::pair<const char*, Member>, 4> kMembers{{
    {"config", &LoadSummary::config},
    {"options", &LoadSummary::options},
    {"load plan", &LoadSummary::plan},
    {"files of weights", &LoadSummary::files},
}};

// Ranks on different hosts may have a checkpoint in different folders.
std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

Json options_of(const LoadRequest& request) {
  Json told(Json::Object{{"dtype", std::string(dtype_name(request.options.dtype))},
                         {"extra", request.options.extra}});
  if (const Json* seed = request.json.find("seed")) told.set("seed", *seed);
  return told;
}

Json entry_of(const LoadEntry& entry) {
  Json::Array sources, steps;
  for (const LoadEntry::Source& source : entry.sources) {
    Json::Array names{source.tensor, source.dim};
    for (const std::string& path : files_of(source)) names.emplace_back(name_of(path));
    sources.emplace_back(std::move(names));
  }
  for (const LoadEntry::Step& step : entry.steps) {
    Json::Array values{static_cast<int64_t>(step.kind), step.dim, step.begin, step.end};
    values.insert(values.end(), step.shape.begin(), step.shape.end());
    steps.emplace_back(std::move(values));
  }
  return Json::Array{entry.target, std::move(sources), std::move(steps)};
}

// What the header of a file says, which also fixes the file's size.
Json outline_of(const TensorFile& file) {
  Json::Array tensors;
  for (const TensorInfo& info : file.tensors()) {
    tensors.push_back(Json::Array{
        info.name, std::string(info.dtype), Json::Array(info.shape.begin(), info.shape.end()),
        static_cast<int64_t>(info.begin), static_cast<int64_t>(info.end), info.column_major});
  }
  return Json::Array{name_of(file.name()), file.metadata(), std::move(tensors)};
}

}  // namespace

LoadSummary summarize(const LoadRequest& request, const LoadPlan& plan, PlanFiles& files) {
  Json::Array entries, outlines;
  std::set<std::string> seen;
  for (const LoadEntry& entry : plan.entries) {
    entries.push_back(entry_of(entry));
    for (const LoadEntry::Source& source : entry.sources) {
      for (const std::string& path : files_of(source)) {
        if (seen.insert(path).second) outlines.push_back(outline_of(files.open(path)));
      }
    }
  }
  return {digest_of(request.config.dump()), digest_of(options_of(request).dump()),
          digest_of(Json(std::move(entries)).dump()), digest_of(Json(std::move(outlines)).dump())};
}

void agree_on(const LoadSummary& summary, Group& group) {
  std::string mine;
  for (const auto& [what, member] : kMembers) mine += summary.*member + '\n';
  const std::vector<std::string> all = gather_texts(group, mine);
  const size_t length = mine.size() / kMembers.size();  // digests are all of one length
  for (size_t i = 0; i < kMembers.size(); ++i) {
    for (size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank].compare(i * length, length, all[0], i * length, length) == 0) continue;
      throw Error(ErrorCode::kBadCheckpoint,
                  std::string("expected the same ") + kMembers[i].first + " on all " +
                      std::to_string(all.size()) + " ranks but rank " + std::to_string(rank) +
                      " has another than rank 0: give every rank the same checkpoint and options",
                  "RANKS_DIFFER");
    }
  }
}

}  // namespace torchsight
