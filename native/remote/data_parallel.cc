#include "remote/data_parallel.h"

#include <ATen/ATen.h>

#include "runtime/error.h"
#include "runtime/timeline.h"

namespace torchsight {
namespace {

const Json& method_of(const Json& description, const std::string& name) {
  for (const Json& method : description.at("methods").as_array()) {
    if (method.at("name").as_string() == name) return method;
  }
  throw Error(ErrorCode::kNotFound, "the model has no method \"" + name + "\"");
}

/// The axis along which a tensor is a batch: -1 where it is none. Taps, which no schema tells of,
/// begin with the batch.
int64_t batch_axis(const Json& specs, const std::string& name, int64_t fallback) {
  for (const Json& spec : specs.as_array()) {
    if (spec.at("name").as_string() == name) return spec.at("batchAxis").as_int();
  }
  return fallback;
}

}  // namespace

DataParallel::DataParallel(std::vector<std::shared_ptr<Module>> replicas, int64_t ranks)
    : replicas_(std::move(replicas)),
      ranks_(ranks),
      description_(replicas_.front()->describe()),
      team_(static_cast<int64_t>(replicas_.size()), 1) {}

NamedTensors DataParallel::call(const std::string& name, Call& call, JobContext& context) {
  const Json& method = method_of(description_, name);
  const Json &inputs = method.at("inputs"), &outputs = method.at("outputs");
  int64_t batch = -1;
  for (const auto& [input, tensor] : call.inputs) {
    const int64_t axis = batch_axis(inputs, input, -1);
    if (axis >= 0 && axis < tensor.dim()) batch = std::max(batch, tensor.size(axis));
  }
  if (batch > 1 && !method.at("stream").as_array().empty()) {
    throw Error(ErrorCode::kUnsupported,
                "expected a batch of 1 for a method that streams, from a data-parallel model, but "
                "received " +
                    std::to_string(batch));
  }
  // Without a batch, or with a small one, some replicas have nothing to do.
  const int64_t busy = std::clamp<int64_t>(batch, 1, team_.size());
  const auto begin_of = [&](int64_t replica) { return batch * replica / busy; };
  std::vector<Call> parts(busy, call);
  for (int64_t r = 0; r < busy && busy > 1; ++r) {
    for (auto& [input, tensor] : parts[r].inputs) {
      const int64_t axis = batch_axis(inputs, input, -1);
      if (axis < 0 || axis >= tensor.dim() || tensor.size(axis) != batch) continue;
      tensor = tensor.narrow(axis, begin_of(r), begin_of(r + 1) - begin_of(r)).contiguous();
    }
  }
  std::vector<NamedTensors> results(busy);
  std::unique_lock turn(calls_, std::defer_lock);
  const JobContext::Yielded yielded(context);
  turn.lock();
  const auto errors = team_.run(
      [&](int64_t replica, JobContext& mine) {
        if (replica >= busy) return;
        if (call.timeline) parts[replica].timeline = std::make_shared<Timeline>();
        results[replica] = replicas_[replica]->call(name, parts[replica], mine);
      },
      context, [] {});
  for (const auto& error : errors) {
    if (error) throw *error;
  }
  for (int64_t r = 0; call.timeline && r < busy; ++r) {
    call.timeline->merge(parts[r].timeline->events(), r * ranks_);
  }
  NamedTensors joined;
  for (size_t i = 0; i < results.front().size(); ++i) {
    const std::string& output = results.front()[i].first;
    const int64_t axis = batch_axis(outputs, output, 0);
    if (busy > 1 && axis < 0) {
      throw Error(
          ErrorCode::kUnsupported,
          "expected results that are batches from a data-parallel model but received " + output);
    }
    std::vector<at::Tensor> pieces;
    for (NamedTensors& result : results) pieces.push_back(std::move(result[i].second));
    joined.emplace_back(output, busy > 1 ? at::cat(pieces, axis) : std::move(pieces.front()));
  }
  return joined;
}

void DataParallel::save(const SaveOptions& options, JobContext& context) {
  replicas_.front()->save(options, context);
}

}  // namespace torchsight
