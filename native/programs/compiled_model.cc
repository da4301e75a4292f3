#include "programs/compiled_model.h"

#include <ATen/ATen.h>
#include <ATen/DynamicLibrary.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include <mutex>
#include <string_view>
#include <utility>

#include "programs/target.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

using torch::inductor::AOTIModelContainerRunner;
using torch::inductor::AOTIModelPackageLoader;

// The members that a runner shows to its subclasses alone.
struct Members : AOTIModelContainerRunner {
  static AOTInductorModelContainerHandle container(AOTIModelContainerRunner& runner) {
    return runner.*(&Members::container_handle_);
  }
  static at::DynamicLibrary& library(AOTIModelContainerRunner& runner) {
    return *(runner.*(&Members::model_so_));
  }
};

struct Known {
  std::string_view words;
  const char* reason;
  std::string_view advice;
};

// What the system says of libraries that it cannot map, and of devices.
constexpr std::string_view kOtherLibtorch = "it was compiled for another version of libtorch";
constexpr Known kKnown[] = {
    {"undefined symbol", "OTHER_LIBTORCH", kOtherLibtorch},
    {"symbol not found", "OTHER_LIBTORCH", kOtherLibtorch},
    {"GLIBC", "OTHER_SYSTEM", "it was compiled on a newer system than this"},
    {"failed to map segment", "NO_EXEC",
     "the folder for temporary files may not hold code; set TMPDIR to one that may"},
    {"cannot open shared object", "MISSING_LIBRARY", "it needs a library that is not here"},
    {"image not found", "MISSING_LIBRARY", "it needs a library that is not here"},
    {"no kernel image", "OTHER_MACHINE", "it was compiled for another GPU"},
    {"driver version is insufficient", "NO_DEVICE", "the GPU's driver is too old"},
    {"NVIDIA driver", "NO_DEVICE", "there is no GPU that can be used"},
};

Error load_failure(const std::string& name, const Error& error) {
  if (error.code() == ErrorCode::kOutOfMemory) return error;
  std::string message =
      "expected to load the compiled model \"" + name + "\" but failed: " + error.what();
  for (const auto& [words, reason, advice] : kKnown) {
    if (message.find(words) == std::string::npos) continue;
    message.append("; ").append(advice);
    if (advice == kOtherLibtorch) message += "; " + export_again();
    return Error(ErrorCode::kUnsupported, message, reason);
  }
  return Error(ErrorCode::kBadCheckpoint, message + "; " + export_again(), "NOT_LOADED");
}

// What compiled code says of its own failure is an exception without a class, with a backtrace.
Error run_failure(const std::string& name, const Error& error) {
  if (error.code() == ErrorCode::kOutOfMemory) return error;
  const std::string_view text(error.what());
  const bool bounds = text.find("out of bounds") != std::string_view::npos;
  return Error(bounds ? ErrorCode::kBadInput : ErrorCode::kLibtorch,
               "the model \"" + name + "\" failed: " +
                   std::string(text.substr(0, text.find("\nException raised from"))),
               "PROGRAM_FAILED");
}

// Some linkers name libtorch.so as well, a library without code of its own that nothing here needs.
// The one beside libtorch_cpu is mapped, before the system looks for any elsewhere.
void map_libtorch() {
#ifdef __linux__
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&torch::inductor::getAOTIModelRunnerRegistry), &info)) {
    const auto beside = std::filesystem::path(info.dli_fname).parent_path() / "libtorch.so";
    dlopen(beside.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
#endif
}

std::unique_ptr<AOTIModelPackageLoader> open(const std::filesystem::path& folder,
                                             const std::string& name, size_t runners,
                                             c10::DeviceIndex index) {
  // The loader reads metadata through a static variable.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  static const bool mapped = (map_libtorch(), true);
  static_cast<void>(mapped);
  try {
    return std::make_unique<AOTIModelPackageLoader>(folder.string(), name, false, runners, index);
  } catch (...) {
    throw load_failure(name, current_error());
  }
}

size_t number_of_inputs(AOTIModelContainerRunner& runner) {
  using Count = AOTIRuntimeError (*)(AOTInductorModelContainerHandle, size_t*);
  const auto count = reinterpret_cast<Count>(
      Members::library(runner).sym("AOTInductorModelContainerGetNumInputs"));
  size_t inputs = 0;
  AOTI_RUNTIME_ERROR_CODE_CHECK(count(Members::container(runner), &inputs));
  return inputs;
}

}  // namespace

CompiledModel::CompiledModel(const std::filesystem::path& folder, const std::string& name,
                             size_t runners, at::Device device)
    : name_(name), loader_(open(folder, name, runners, device.index())) {
  try {
    inputs_ = number_of_inputs(*loader_->get_runner());
    const std::vector<std::string> specs = loader_->get_call_spec();
    input_spec_ = specs.at(0);
    output_spec_ = specs.at(1);
    check_weights();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw load_failure(name, current_error());
  }
}

CompiledModel::~CompiledModel() = default;

// Code whose weights were left out of it would read from nowhere.
void CompiledModel::check_weights() {
  if (loader_->get_constant_fqns().empty()) return;
  for (const auto& [constant, tensor] : loader_->get_runner()->extract_constants_map(false)) {
    if (tensor.defined()) return;
  }
  throw Error(ErrorCode::kUnsupported,
              "expected the weights of the compiled model \"" + name_ +
                  "\" in its package but found none; export it with package_constants_in_so",
              "NO_WEIGHTS");
}

std::vector<at::Tensor> CompiledModel::run(std::vector<at::Tensor> inputs) {
  std::vector<at::Tensor> outputs;
  try {
    outputs = loader_->boxed_run(std::move(inputs));
  } catch (...) {
    throw run_failure(name_, current_error());
  }
  for (at::Tensor& output : outputs) {
    if (output.defined() && output.storage().use_count() > 1) output = output.clone();
  }
  return outputs;
}

}  // namespace torchsight
