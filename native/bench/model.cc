#include "bench/model.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <cmath>
#include <map>
#include <mutex>

#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight::bench {
namespace {

// hidden_size, num_hidden_layers, intermediate_size, num_attention_heads, as in
// lib/models/vit22b/config.ts, where the papers are named.
struct Size {
  int64_t width, depth, hidden, heads;
};
const std::map<std::string, Size> kVariants{
    {"mu", {32, 1, 128, 2}},     {"B", {768, 12, 3072, 12}},   {"L", {1024, 24, 4096, 16}},
    {"G", {1664, 48, 8192, 16}}, {"e", {1792, 56, 15360, 16}}, {"22B", {6144, 48, 24576, 48}},
};

double fan(const Parameter& parameter, size_t dim) {
  return parameter.full_shape.size() > dim ? static_cast<double>(parameter.full_shape[dim]) : 1;
}

// As the module wants it initialised, but by the device's own numbers.
void fill(const Parameter& parameter) {
  const at::Tensor& tensor = parameter.tensor;
  at::Generator generator = at::globalContext().defaultGenerator(tensor.device());
  {
    const std::lock_guard lock(generator.mutex());  // which drawing takes by itself
    generator.set_current_seed(std::hash<std::string>{}(parameter.name));
  }
  switch (parameter.init.kind) {
    case Init::Kind::kZeros:
      tensor.zero_();
      break;
    case Init::Kind::kOnes:
      tensor.fill_(1);
      break;
    case Init::Kind::kConstant:
      tensor.fill_(parameter.init.value);
      break;
    case Init::Kind::kNormal:
      tensor.normal_(0, parameter.init.value, generator);
      break;
    default: {  // Xavier, and LeCun's of the same width for the patches
      const double limit = std::sqrt(6 / (fan(parameter, 0) + fan(parameter, 1)));
      tensor.uniform_(-limit, limit, generator);
    }
  }
}

}  // namespace

Json config_of(const Arguments& arguments) {
  const auto found = kVariants.find(arguments.variant);
  if (found == kVariants.end()) {
    throw Error(ErrorCode::kUsage, "expected mu, B, L, G, e or 22B for --variant but received \"" +
                                       arguments.variant + "\"");
  }
  const Size& size = found->second;
  Json config(Json::Object{{"model_type", "vit22b"}, {"patch_size", 14}});
  config.set("hidden_size", size.width)
      .set("num_hidden_layers", arguments.depth > 0 ? arguments.depth : size.depth)
      .set("intermediate_size", size.hidden)
      .set("num_attention_heads", size.heads)
      .set("image_size", arguments.image);
  return config;
}

std::shared_ptr<Module> make_model(const Arguments& arguments, at::Device device, bool float8) {
  const Json config = config_of(arguments);
  ModuleOptions options;
  options.dtype = dtype_from_name(arguments.dtype);
  if (float8) options.extra = Json(Json::Object{{"weights", "float8"}});
  options.device = at::kMeta;
  int64_t bytes = 0;
  for (const Parameter& parameter : make_module(config, options)->parameters()) {
    bytes += static_cast<int64_t>(parameter.tensor.nbytes());
  }
  check_fits(bytes, device, device_memory(device));
  options.device = device;
  std::shared_ptr<Module> module = make_module(config, options);
  for (const Parameter& parameter : module->parameters()) fill(parameter);
  module->loaded();
  return module;
}

double operations(const Json& config) {
  const auto field = [&config](const char* name) {
    return static_cast<double>(config.at(name).as_int(name));
  };
  const double d = field("hidden_size"), hidden = field("intermediate_size");
  const double side = std::floor(field("image_size") / field("patch_size"));
  const double tokens = side * side, patch = 3 * field("patch_size") * field("patch_size");
  const double layer = 2 * tokens * (4 * d * d + 2 * d * hidden) + 4 * tokens * tokens * d;
  // The pooling head: keys and values of all tokens, the rest for one.
  const double head = 4 * tokens * d * d + 4 * tokens * d + 2 * (2 * d * d + 2 * d * hidden);
  return field("num_hidden_layers") * layer + 2 * tokens * patch * d + head;
}

}  // namespace torchsight::bench
