// Any model that PyTorch has exported and compiled ahead of time, as a module.
#include <ATen/ATen.h>

#include <optional>

#include "programs/compiled_model.h"
#include "programs/package.h"
#include "programs/scratch.h"
#include "programs/signature.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "runtime/gate.h"
#include "runtime/loader.h"

namespace torchsight {
namespace {

constexpr int64_t kMaxRunners = 256;
constexpr std::string_view kDefaultModel = "model";
constexpr const char* kDefaultMethod = "forward";

// A model of the package, ready to be called.
struct Loaded {
  Loaded(const PackagedModel& packaged, const ExportedProgram& exported,
         const std::filesystem::path& folder, int64_t runners, at::Device on)
      : model(folder, packaged.name, static_cast<size_t>(runners), on),
        signature(packaged, exported, model),
        device(on) {}

  CompiledModel model;
  Signature signature;
  at::Device device;
};

class Program final : public Module {
 public:
  Program(std::unique_ptr<Scratch> scratch, int64_t runners)
      : scratch_(std::move(scratch)), runners_(runners) {}

  void add(const std::string& method, std::unique_ptr<Loaded> loaded, ProgramMetadata metadata) {
    Json told(Json::Object{});
    for (auto& [key, value] : metadata) told.set(key, std::move(value));
    metadata_.set(method, std::move(told));
    // One gate for each model: runners are not shared.
    auto gate = std::make_shared<Gate>(runners_);
    MethodSchema schema = loaded->signature.schema(method);
    add_method(std::move(schema),
               [this, gate, loaded = std::shared_ptr<Loaded>(std::move(loaded))](
                   Call& call, JobContext& context) { return run(*loaded, *gate, call, context); });
  }

  Json describe() override {
    Json description = Module::describe();
    description.set("metadata", metadata_);
    return description;
  }

  /// Frees the disk as soon as nothing will be read from the files again.
  void forget_files() noexcept { scratch_->remove(); }

 private:
  NamedTensors run(Loaded& loaded, Gate& gate, Call& call, JobContext& context) {
    std::vector<at::Tensor> inputs = loaded.signature.arranged(call.inputs, loaded.device);
    context.checkpoint();
    if (runners_ == 1) return loaded.signature.named(loaded.model.run(std::move(inputs)));
    // Several at a time are what more runners are for, so they do not take turns at the device.
    JobContext::Yielded yielded(context);
    const Gate::Place place = gate.enter(context);
    return loaded.signature.named(loaded.model.run(std::move(inputs)));
  }

  std::unique_ptr<Scratch> scratch_;  // kernels for GPUs are read from it when they are needed
  int64_t runners_;
  Json metadata_ = Json::Object{};
};

// The device to run on: the package's kind, and of these the one that was asked for.
at::Device device_of(const ProgramMetadata& metadata, const std::string& asked,
                     const std::string& name) {
  const at::Device compiled(metadata.at("AOTI_DEVICE_KEY"));
  if (asked.empty()) return compiled;
  std::optional<at::Device> wanted;
  try {
    wanted.emplace(asked);
  } catch (const c10::Error&) {
    throw Error(ErrorCode::kBadInput,
                "expected the name of a device for device but received \"" + asked + "\"");
  }
  if (wanted->type() == compiled.type()) return *wanted;
  throw Error(ErrorCode::kUnsupported,
              "expected " + compiled.str() + " for the device of the program " + name +
                  ", which was compiled for it, but received " + asked +
                  "; export it for that device",
              "NO_DEVICE");
}

}  // namespace

std::shared_ptr<Module> load_program(const Json& request, JobContext& context) {
  const std::string path = request.at("path").as_string("path");
  if (!request.get("trust", false)) {
    throw Error(ErrorCode::kBadInput,
                "expected trust to be true for " + path +
                    ", since a program is native code that runs with all rights of this process",
                "NOT_TRUSTED");
  }
  const int64_t runners = request.get("runners", 1);
  if (runners < 1 || runners > kMaxRunners) {
    throw Error(ErrorCode::kBadInput, "expected 1 to " + std::to_string(kMaxRunners) +
                                          " for runners but received " + std::to_string(runners));
  }
  const ProgramPackage package(path);
  std::vector<const PackagedModel*> wanted;
  if (const std::string one = request.get("model", ""); !one.empty()) {
    wanted.push_back(&package.model(one));
  } else {
    for (const PackagedModel& model : package.models()) wanted.push_back(&model);
  }
  bool on_cpu = true, has_forward = false;
  for (const PackagedModel* model : wanted) {
    check_target(model->metadata, model->name);
    has_forward |= model->name == kDefaultMethod;
  }
  auto scratch = std::make_unique<Scratch>(request.get("scratch", ""));
  const std::filesystem::path folder = scratch->path();
  auto program = std::make_shared<Program>(std::move(scratch), runners);
  for (const PackagedModel* model : wanted) {
    const at::Device device =
        require_device(device_of(model->metadata, request.get("device", ""), model->name));
    on_cpu &= device.is_cpu();
    if (!device.is_cpu()) program->set_options({.device = device});  // whose lane takes its jobs
    const auto exported = read_exported_program(model->exported, "models/" + model->name + ".json");
    package.unpack(*model, folder, context);
    context.checkpoint();
    auto loaded = std::make_unique<Loaded>(*model, exported, folder, runners, device);
    const bool renamed = model->name == kDefaultModel && !has_forward;
    program->add(renamed ? kDefaultMethod : model->name, std::move(loaded), model->metadata);
  }
  if (on_cpu) program->forget_files();
  return program;
}

}  // namespace torchsight
