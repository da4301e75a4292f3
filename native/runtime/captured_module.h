// Calls of a model as one piece of work for the device, recorded once for each shape of inputs.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "runtime/module.h"
#include "runtime/work_graph.h"

namespace torchsight {

/// The module itself, but calls of its `fixed` methods are replayed: they report no progress, and
/// are cancelled before or after, not between layers. Each of the `kMost` shapes used last keeps
/// memory for all of a call's activations.
class CapturedModule final : public Module {
 public:
  using MakeGraph = std::function<std::unique_ptr<WorkGraph>()>;
  static constexpr size_t kMost = 4;

  /// Throws `Error(kUnsupported)` where no method of the module can be captured.
  CapturedModule(std::shared_ptr<Module> module, MakeGraph make_graph);

  std::vector<MethodSchema> schemas() const override { return module_->schemas(); }
  std::vector<std::string> tap_names() const override { return module_->tap_names(); }
  std::vector<Parameter> parameters() override { return module_->parameters(); }
  Json describe() override { return module_->describe(); }
  NamedTensors call(const std::string& method, Call& call, JobContext& context) override;
  void save(const SaveOptions& options, JobContext& context) override {
    module_->save(options, context);
  }
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override {
    return module_->open_session(kind, options);
  }

 private:
  struct Captured {
    std::string key;
    Call call;
    NamedTensors outputs;
    std::unique_ptr<WorkGraph> graph;
  };

  void capture(std::string key, const std::string& method, const Call& call);
  static NamedTensors replay(Captured& captured, const Call& call);

  std::shared_ptr<Module> module_;
  MakeGraph make_graph_;
  std::list<Captured> captured_;  // the one used last first
};

/// `module` with its calls captured on its device. Throws `Error(kUnsupported)` where device or
/// module cannot.
std::shared_ptr<Module> capture_calls(std::shared_ptr<Module> module);

}  // namespace torchsight
