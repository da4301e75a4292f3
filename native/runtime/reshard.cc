#include "runtime/reshard.h"

#include <ATen/ATen.h>

#include "distributed/nominal_group.h"
#include "io/checkpoint.h"
#include "io/key_set.h"
#include "runtime/error.h"
#include "runtime/plan_match.h"
#include "runtime/shards.h"

namespace torchsight {
namespace {

using Sources = std::vector<std::shared_ptr<const LazyTensor>>;

constexpr int64_t kMostRanksTried = 64;

ModuleOptions options_of(const ReshardRequest& request, int64_t rank, int64_t ranks) {
  ModuleOptions options;
  options.device = at::kMeta;  // so that the largest models can be asked anywhere
  options.extra = request.extra;
  if (ranks > 1) options.group = make_nominal_group(rank, ranks);
  return options;
}

std::vector<Parameter> parameters_of(const ReshardRequest& request, int64_t rank, int64_t ranks) {
  return make_module(request.config, options_of(request, rank, ranks))->parameters();
}

// Which numbers of ranks the model divides by, as text.
std::string fitting_ranks(const ReshardRequest& request) {
  std::string text;
  for (int64_t ranks = 1; ranks <= kMostRanksTried; ++ranks) {
    try {
      parameters_of(request, 0, ranks);
      text += (text.empty() ? "" : ", ") + std::to_string(ranks);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kBadConfig) throw;
    }
  }
  return text;
}

std::vector<Parameter> divided(const ReshardRequest& request, int64_t rank) {
  try {
    return parameters_of(request, rank, request.ranks);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBadConfig || request.ranks == 1) throw;
    const std::string fitting = fitting_ranks(request);
    throw Error(ErrorCode::kBadConfig,
                std::string(error.what()) + "; numbers of ranks that fit: " + fitting);
  }
}

// The parameters in the dtypes of the checkpoint at hand.
void keep_dtypes(std::vector<Parameter>& parameters, const Sources& sources) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor& tensor = parameters[i].tensor;
    tensor = at::empty(tensor.sizes(), tensor.options().dtype(sources[i]->dtype()));
  }
}

// Reads the parts that are written, one at a time.
class Parts {
 public:
  Parts(const std::vector<Parameter>& parameters, const Sources& sources, JobContext& context)
      : sources_(sources), context_(context) {
    for (const Parameter& parameter : parameters) {
      progress_.total += static_cast<double>(Box::whole(parameter.full_shape).elements()) *
                         static_cast<double>(parameter.tensor.element_size());
    }
  }

  at::Tensor read(const Parameter& parameter, size_t i) {
    context_.checkpoint();
    context_.progress(progress_);
    const Box box = box_of(parameter);
    at::Tensor part = at::empty(box.length, parameter.tensor.scalar_type());
    if (part.numel() > 0) sources_[i]->read(box, part);
    progress_.done += static_cast<double>(part.nbytes());
    return part;
  }

 private:
  const Sources& sources_;
  JobContext& context_;
  Progress progress_{0, 0, "reshard"};
};

void write_whole(const std::vector<Parameter>& parameters, const SaveOptions& save, Parts& parts) {
  std::vector<TensorOutline> outlines;
  KeySet names;
  for (const Parameter& parameter : parameters) {
    names.insert(parameter.name);
    outlines.push_back({parameter.name, parameter.tensor.scalar_type(), parameter.full_shape});
  }
  make_folder(save.folder);
  if (!save.config.empty()) write_text(save.folder / "config.json", save.config);
  write_checkpoint(save.folder, outlines, save.shard_bytes,
                   [&](const TensorOutline& outline) {
                     const size_t i = names.find(outline.name);
                     return parts.read(parameters[i], i);
                   },
                   {{"format", "pt"}});
}

}  // namespace

ReshardRequest ReshardRequest::from_json(const Json& json) {
  ReshardRequest request;
  request.config = json.at("config");
  request.plan = LoadPlan::from_json(json.at("plan"));
  request.ranks = json.at("ranks").as_int("ranks");
  if (request.ranks < 1) throw Error(ErrorCode::kBadInput, "expected 1 or more for ranks");
  if (const Json* extra = json.find("extra")) request.extra = *extra;
  request.save = {json.at("folder").as_string("folder"),
                  static_cast<uint64_t>(json.at("shardBytes").as_int("shardBytes")),
                  json.get("configText", "")};
  return request;
}

void reshard(const ReshardRequest& request, JobContext& context) {
  std::vector<Parameter> first = divided(request, 0);
  PlanFiles files;
  const Sources sources = match(request.plan, first, files);
  keep_dtypes(first, sources);
  Parts parts(first, sources, context);
  if (request.ranks == 1) return write_whole(first, request.save, parts);
  const ShardedSave save{request.save.folder, request.ranks, request.extra.get("layout", "tokens"),
                         fresh_mark()};
  std::vector<RankShard> shards;
  for (int64_t rank = 0; rank < request.ranks; ++rank) {
    std::vector<Parameter> parameters = divided(request, rank);
    keep_dtypes(parameters, sources);
    shards.push_back(
        write_rank(save, rank, parameters, [&](size_t i) { return parts.read(parameters[i], i); }));
  }
  finish_shards(save, first, shards, request.save.config);
}

}  // namespace torchsight
