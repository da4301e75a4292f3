// One compiled model in the memory of this process.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace torch::inductor {
class AOTIModelPackageLoader;
}  // namespace torch::inductor

namespace torchsight {

class CompiledModel {
 public:
  /// Maps the library of the model `name` that was unpacked into `folder` and makes `runners` of
  /// it, on a device of the kind that it was compiled for. Throws `Error(kUnsupported)` for
  /// libraries that do not fit this system or this libtorch, with the system's words and what to
  /// do.
  CompiledModel(const std::filesystem::path& folder, const std::string& name, size_t runners,
                at::Device device);
  ~CompiledModel();
  CompiledModel(const CompiledModel&) = delete;
  CompiledModel& operator=(const CompiledModel&) = delete;

  /// Runs the code on tensors that are as it expects them: it looks at nothing itself. As many
  /// threads at a time as there are runners; a further one waits. Results that share memory with
  /// an input, a weight or each other are copied. Throws `Error(kBadInput | kLibtorch)` with the
  /// reason PROGRAM_FAILED where the code fails.
  std::vector<at::Tensor> run(std::vector<at::Tensor> inputs);

  size_t inputs() const noexcept { return inputs_; }
  /// PyTorch's texts of what a call takes and gives.
  const std::string& input_spec() const noexcept { return input_spec_; }
  const std::string& output_spec() const noexcept { return output_spec_; }

 private:
  void check_weights();

  std::string name_;
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  size_t inputs_ = 0;
  std::string input_spec_, output_spec_;
};

}  // namespace torchsight
