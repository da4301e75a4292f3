#include "runtime/save.h"

#include <ATen/core/Tensor.h>

#include "distributed/group.h"
#include "io/checkpoint.h"
#include "io/key_set.h"
#include "runtime/error.h"
#include "runtime/module.h"
#include "runtime/shards.h"
#include "runtime/together.h"

namespace torchsight {
namespace {

// Gives the parameters' values to a writer, with a checkpoint before each.
class Values {
 public:
  Values(const std::vector<Parameter>& parameters, JobContext& context)
      : parameters_(parameters), context_(context) {
    for (const Parameter& parameter : parameters) {
      if (parameter.tensor.is_meta()) {
        throw Error(ErrorCode::kUnsupported,
                    "expected weights as they were loaded to save but received integers for " +
                        parameter.name);
      }
      progress_.total += static_cast<double>(parameter.tensor.nbytes());
    }
  }

  at::Tensor operator()(size_t i) {
    context_.checkpoint();
    context_.progress(progress_);
    progress_.done += static_cast<double>(parameters_[i].tensor.nbytes());
    return parameters_[i].tensor;
  }

  void end() {
    progress_.done = progress_.total;
    context_.progress(progress_);
  }

 private:
  const std::vector<Parameter>& parameters_;
  JobContext& context_;
  Progress progress_{0, 0, "save"};
};

void save_whole(const std::vector<Parameter>& parameters, const SaveOptions& options,
                JobContext& context) {
  std::vector<TensorOutline> outlines;
  KeySet names;
  for (const Parameter& parameter : parameters) {
    if (parameter.cut) {
      throw Error(ErrorCode::kUnsupported,
                  "expected all ranks of a group to save together but received one that holds a "
                  "part of " +
                      parameter.name);
    }
    names.insert(parameter.name);
    outlines.push_back(
        {parameter.name, parameter.tensor.scalar_type(), parameter.tensor.sizes().vec()});
  }
  Values values(parameters, context);
  make_folder(options.folder);
  if (!options.config.empty()) write_text(options.folder / "config.json", options.config);
  write_checkpoint(options.folder, outlines, options.shard_bytes,
                   [&](const TensorOutline& outline) { return values(names.find(outline.name)); },
                   {{"format", "pt"}});
  values.end();
}

void save_shards(const std::vector<Parameter>& parameters, Group& group, const std::string& layout,
                 const SaveOptions& options, JobContext& context) {
  const int64_t rank = group.rank();
  const std::string mark = gather_texts(group, rank == 0 ? fresh_mark() : "").front();
  const ShardedSave save{options.folder, group.size(), layout, mark};
  RankShard mine;
  together(&group, context, [&](JobContext& watched) {
    Values values(parameters, watched);
    mine = write_rank(save, rank, parameters, std::ref(values));
    values.end();
  });
  std::vector<RankShard> shards;
  for (const std::string& told : gather_texts(group, mine.to_json().dump())) {
    shards.push_back(RankShard::from_json(Json::parse(told)));
  }
  together(&group, context, [&](JobContext&) {
    if (rank == 0) finish_shards(save, parameters, shards, options.config);
  });
}

}  // namespace

void Module::save(const SaveOptions& options, JobContext& context) {
  const std::shared_ptr<Group>& group = options_.group;
  if (group && group->size() > 1) {
    save_shards(parameters(), *group, options_.extra.get("layout", "tokens"), options, context);
  } else {
    save_whole(parameters(), options, context);
  }
}

}  // namespace torchsight
