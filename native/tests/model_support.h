// What the tests of models share: fixtures, random models, calls.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distributed/group.h"
#include "runtime/error.h"
#include "runtime/module.h"

namespace torchsight::test {

/// The folders of test/fixtures/vit22b.
std::vector<std::filesystem::path> vit22b_fixtures();

Json read_config(const std::filesystem::path& folder);
NamedTensors read_tensors(const std::filesystem::path& file);

/// The model of a fixture, loaded through a plan.
std::unique_ptr<Module> load_fixture(const std::filesystem::path& folder,
                                     const ModuleOptions& options = {});

/// A small config with every option at its default, and `changes` (a JSON object) applied.
Json small_config(const std::string& changes = "{}");

/// A model with sharp random weights. They depend on names alone, so every rank's are cuts of the
/// unsharded model's; `scale_qk` multiplies the q and k weights.
std::unique_ptr<Module> random_model(const Json& config, const ModuleOptions& options = {},
                                     double scale_qk = 1);

/// Calls a method with pictures.
NamedTensors call(Module& module, const std::string& method, const at::Tensor& pixels,
                  std::vector<std::string> taps = {}, Json options = Json::Object{});

/// The tensor of that name; fails the test where it is missing.
at::Tensor get(const NamedTensors& tensors, const std::string& name);

/// The largest difference over the standard deviation of `expected`.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

/// Checks that `work` throws an error of that code, with `part` in its message.
void check_refused(const std::function<void()>& work, ErrorCode code, const std::string& part);

/// Runs `work` for each rank of a local group in its own thread. A rank that throws ends the group
/// and the first exception is thrown again here.
void on_ranks(int64_t size, const std::function<void(const std::shared_ptr<Group>&)>& work);

}  // namespace torchsight::test
