#include "programs/target.h"

#include <ATen/core/ivalue.h>
#include <ATen/cpu/Utils.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/version.h>

#include <sstream>
#include <unordered_map>
#include <vector>

#include "runtime/error.h"

namespace torchsight {
namespace {

#if defined(__APPLE__)
constexpr std::string_view kPlatform = "darwin";
#elif defined(_WIN32)
constexpr std::string_view kPlatform = "win32";
#else
constexpr std::string_view kPlatform = "linux";
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
constexpr std::string_view kMachine = "arm64";
#else
constexpr std::string_view kMachine = "x86_64";
#endif

std::string_view machine_of(std::string_view name) {
  if (name == "AMD64") return "x86_64";
  if (name == "aarch64" || name == "ARM64") return "arm64";
  return name;
}

std::string_view get(const ProgramMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string_view() : std::string_view(found->second);
}

// What PyTorch's name for a set of vector instructions asks of the processor.
std::vector<std::string> capabilities_of(const std::string& isa) {
  if (isa == "AVX2") return {"avx2", "fma3"};
  if (isa == "AVX512") return {"avx512_f", "avx512_dq", "avx512_vl", "avx512_bw", "fma3"};
  if (isa == "AVX512_VNNI") return {"avx512_vnni"};
  if (isa == "AMX_TILE") return {"amx_tile", "amx_bf16", "amx_int8"};
  return {};
}

void check_processor(const ProgramMetadata& metadata, const std::string& name) {
  const auto here = at::cpu::get_cpu_capabilities();
  std::istringstream words{std::string(get(metadata, "AOTI_CPU_ISA"))};
  for (std::string isa; words >> isa;) {
    for (const std::string& needed : capabilities_of(isa)) {
      const auto found = here.find(needed);
      if (found != here.end() && found->second.isBool() && found->second.toBool()) continue;
      throw Error(ErrorCode::kUnsupported,
                  "expected a program for this processor but received " + name +
                      ", compiled for one with " + isa + ", which this one lacks (" + needed +
                      "); export it on a machine like this one, or with ATEN_CPU_CAPABILITY set",
                  "OTHER_CPU");
    }
    if (isa == "AMX_TILE") at::cpu::init_amx();  // the system gives these only to who asks
  }
}

}  // namespace

void refuse_machine(const std::string& name, const std::string& received) {
  throw Error(ErrorCode::kUnsupported,
              "expected a program for " + std::string(kPlatform) + " on " + std::string(kMachine) +
                  " but received " + name + ", compiled for " + received +
                  "; export it on such a machine",
              "OTHER_MACHINE");
}

void check_target(const ProgramMetadata& metadata, const std::string& name) {
  const std::string_view platform = get(metadata, "AOTI_PLATFORM");
  const std::string_view machine = get(metadata, "AOTI_MACHINE");
  const bool fits = (platform.empty() || platform == kPlatform) &&
                    (machine.empty() || machine_of(machine) == kMachine);
  if (!fits) refuse_machine(name, std::string(platform) + " on " + std::string(machine));
  check_processor(metadata, name);
  const std::string device(get(metadata, "AOTI_DEVICE_KEY"));
  if (device.empty()) {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected " + name + " to tell its device in AOTI_DEVICE_KEY but found none; " +
                    export_again(),
                "NO_DEVICE");
  }
  if (torch::inductor::getAOTIModelRunnerRegistry().contains(device)) return;
  throw Error(ErrorCode::kUnsupported,
              "expected a program for a device of this libtorch but received " + name +
                  ", compiled for " + device + "; export it for the CPU, or take a libtorch with " +
                  device + " (torchsight setup --help)",
              "NO_DEVICE");
}

std::string export_again() {
  return "export it again with PyTorch " + std::to_string(TORCH_VERSION_MAJOR) + "." +
         std::to_string(TORCH_VERSION_MINOR);
}

bool is_our_version(std::string_view version) {
  const std::string ours =
      std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + ".";
  return version.starts_with(ours);
}

}  // namespace torchsight
