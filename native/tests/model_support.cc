#include "tests/model_support.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <sstream>
#include <thread>

#include "io/tensor_file.h"
#include "runtime/load_plan.h"
#include "tests/paths.h"

namespace torchsight::test {
namespace fs = std::filesystem;

std::vector<fs::path> vit22b_fixtures() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fixtures() / "vit22b")) {
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

Json read_config(const fs::path& folder) {
  std::ifstream file(folder / "config.json");
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str(), "config.json");
}

NamedTensors read_tensors(const fs::path& path) {
  const auto file = open_tensor_file(path);
  NamedTensors tensors;
  for (const TensorInfo& info : file->tensors()) tensors.emplace_back(info.name, file->load(info));
  return tensors;
}

std::unique_ptr<Module> load_fixture(const fs::path& folder, const ModuleOptions& options) {
  auto module = make_module(read_config(folder), options);
  LoadPlan plan;
  for (const Parameter& parameter : module->parameters()) {
    plan.entries.push_back(
        {parameter.name, {{(folder / "model.safetensors").string(), parameter.name}}, {}});
  }
  JobContext context;
  execute(plan, *module, context);
  module->loaded();
  return module;
}

Json small_config(const std::string& changes) {
  Json config = Json::parse(
      R"({"model_type": "vit22b", "hidden_size": 32, "num_hidden_layers": 3,
          "num_attention_heads": 4, "intermediate_size": 48, "image_size": 12, "patch_size": 4})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

std::unique_ptr<Module> random_model(const Json& config, const ModuleOptions& options,
                                     double scale_qk) {
  auto module = make_module(config, options);
  for (const Parameter& parameter : module->parameters()) {
    auto generator =
        at::make_generator<at::CPUGeneratorImpl>(std::hash<std::string>{}(parameter.name));
    at::Tensor value = at::randn(parameter.full_shape, generator, at::kDouble);
    if (parameter.full_shape.size() == 2) {
      value *= 1.5 / std::sqrt(static_cast<double>(parameter.full_shape[1]));
    }
    const bool qk = parameter.name.ends_with(".q.weight") || parameter.name.ends_with(".k.weight");
    if (qk && parameter.name.starts_with("blocks.")) value *= scale_qk;
    if (const auto& cut = parameter.cut) value = value.narrow(cut->dim, cut->begin, cut->length);
    parameter.tensor.copy_(value);
  }
  module->loaded();
  return module;
}

NamedTensors call(Module& module, const std::string& method, const at::Tensor& pixels,
                  std::vector<std::string> taps, Json options) {
  Call call{{{"pixel_values", pixels}}, std::move(options), Taps(std::move(taps))};
  JobContext context;
  return module.call(method, call, context);
}

at::Tensor get(const NamedTensors& tensors, const std::string& name) {
  const at::Tensor* tensor = find_tensor(tensors, name);
  REQUIRE_MESSAGE(tensor, name);
  return *tensor;
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  REQUIRE(actual.sizes() == expected.sizes());
  const at::Tensor reference = expected.to(at::kDouble);
  const double spread = reference.numel() > 1 ? reference.std().item<double>() : 1;
  return (actual.to(at::kDouble) - reference).abs().max().item<double>() / spread;
}

void check_refused(const std::function<void()>& work, ErrorCode code, const std::string& part) {
  try {
    work();
    FAIL_CHECK("expected a refusal");
  } catch (const Error& error) {
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  }
}

void on_ranks(int64_t size, const std::function<void(const std::shared_ptr<Group>&)>& work) {
  const auto groups = make_local_groups(size);
  std::vector<std::exception_ptr> failures(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        work(groups[rank]);
      } catch (...) {
        failures[rank] = std::current_exception();
        groups[rank]->abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace torchsight::test
