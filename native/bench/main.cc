// ViT-22B on one device: how many pictures a second, beside how fast a product is there, by how
// much memory, and what float8 costs in exactness.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>

#include <cstdio>

#include "bench/measure.h"
#include "bench/model.h"
#include "runtime/accelerator.h"
#include "runtime/captured_module.h"
#include "runtime/cuda_parts.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace torchsight::bench {
namespace {

// Pictures whose features are compared.
constexpr int64_t kCompared = 4;

void choose_attention(const std::string& kernel) {
  if (kernel == "auto") return;
  at::Context& context = at::globalContext();
  context.setSDPUseMath(false);
  context.setSDPUseMemEfficient(false);
  context.setSDPUseFlash(kernel == "flash");
  context.setSDPUseCuDNN(kernel == "cudnn");
}

NamedTensors encode(Module& module, const at::Tensor& pixels) {
  Call call{{{"pixel_values", pixels}}, Json(Json::Object{}), {}};
  JobContext context;
  return module.call("encode", call, context);
}

class Bench {
 public:
  Bench(const Arguments& arguments, at::Device device)
      : arguments_(arguments),
        device_(device),
        operations_(operations(config_of(arguments))),
        product_(device, dtype_from_name(arguments.dtype)) {}

  std::vector<Row> rows() {
    run(arguments_.dtype, false);
    if (arguments_.float8) run("float8", true);
    return std::move(rows_);
  }

 private:
  at::Tensor pictures(int64_t batch) const {
    const auto numbers =
        at::TensorOptions().device(device_).dtype(dtype_from_name(arguments_.dtype));
    return at::rand({batch, 3, arguments_.image, arguments_.image}, numbers) * 2 - 1;
  }

  void run(const std::string& weights, bool float8) {
    std::fprintf(stderr, "making the model with weights in %s\n", weights.c_str());
    const std::shared_ptr<Module> module = make_model(arguments_, device_, float8);
    const std::string note = float8 ? distance(*module) : remember(*module);
    for (const int64_t batch : arguments_.batches) add(*module, weights, batch, false, note);
    if (has_work_graphs(device_)) {
      const std::shared_ptr<Module> captured = capture_calls(module);
      add(*captured, weights, arguments_.batches.front(), true, note);
    }
  }

  void add(Module& module, const std::string& weights, int64_t batch, bool graph,
           const std::string& note) {
    Row row{weights, batch, graph};
    row.note = note;
    row.operations = operations_ * static_cast<double>(batch);
    try {
      const at::Tensor pixels = pictures(batch);
      measure(
          row, [&] { encode(module, pixels); }, product_, device_, arguments_.seconds);
    } catch (...) {
      const Error error = current_error();
      if (error.code() != ErrorCode::kOutOfMemory) throw error;
      row.note = "out of memory";
    }
    empty_cache(device_);
    std::fputs(line(row).c_str(), stderr);
    rows_.push_back(std::move(row));
  }

  // The same pictures by both kinds of weights.
  std::string remember(Module& module) {
    compared_ = pictures(kCompared);
    reference_ = tokens(module);
    return "";
  }

  std::string distance(Module& module) {
    const at::Tensor mine = tokens(module);
    const double error =
        ((mine - reference_).square().mean().sqrt() / reference_.std()).item<double>();
    const double cosine = at::cosine_similarity(mine, reference_, -1).min().item<double>();
    char text[128];
    std::snprintf(text, sizeof text, "tokens: rms error %.4f of their deviation, cosine >= %.5f",
                  error, cosine);
    return text;
  }

  at::Tensor tokens(Module& module) {
    return find_tensor(encode(module, compared_), "last_hidden_state")->to(at::kFloat).cpu();
  }

  Arguments arguments_;
  at::Device device_;
  double operations_;
  Product product_;
  at::Tensor compared_, reference_;
  std::vector<Row> rows_;
};

int run(const Arguments& arguments) {
  map_gpu_parts();
#ifdef TORCHSIGHT_CUDA_FOLDER
  set_cuda_parts_folder(TORCHSIGHT_CUDA_FOLDER);
#endif
  install_allocator();
  const at::Device device = require_device(device_from_name(arguments.device));
  const c10::OptionalDeviceGuard guard(is_accelerator(device) ? std::optional(device)
                                                              : std::nullopt);
  choose_attention(arguments.attention);
  std::vector<Row> rows = Bench(arguments, device).rows();
  std::string text;
  if (arguments.json) {
    for (const Row& row : rows) text += line(row);
  } else {
    const bool card = device.is_cuda() && cuda_parts();
    const std::string name = card ? cuda_parts()->card(device.index()).name : device.str();
    text = name + ", ViT-22B's variant " + arguments.variant + ", attention by " +
           arguments.attention + "\n\n" + table(rows);
  }
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace torchsight::bench

int main(int count, char** words) {
  using namespace torchsight;
  try {
    return bench::run(bench::Arguments::parse({words + 1, words + count}));
  } catch (...) {
    const Error error = current_error();
    std::fprintf(stderr, "%s: %s\n", std::string(to_string(error.code())).c_str(), error.what());
    if (error.code() != ErrorCode::kUsage) return 1;
    std::fputs(bench::kUsage, stderr);
    return 2;
  }
}
