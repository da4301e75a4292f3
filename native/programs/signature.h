// What one compiled model takes and gives, put together from all that its package tells.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "programs/exported_program.h"
#include "programs/package.h"
#include "programs/wrapper_source.h"
#include "runtime/schema.h"

namespace torchsight {

class CompiledModel;

class Signature {
 public:
  /// Throws `Error(kUnsupported)` where the package does not tell what its inputs must be, and
  /// `Error(kBadCheckpoint)` where it tells it in no known form.
  Signature(const PackagedModel& packaged, const ExportedProgram& exported,
            const CompiledModel& model);

  /// The schema of a method of that name: shapes with PyTorch's symbols, bounds in its `doc`.
  /// Throws `Error(kUnsupported)` for inputs of a dtype that tensors here cannot have.
  MethodSchema schema(const std::string& method) const;
  /// The tensors in the order of the call, as the compiled code expects them in memory, on `device`
  /// where it does not ask for the CPU. To be called with what the schema has accepted. Throws
  /// `Error(kShape)` where a size is out of bounds or is not what an expression of others says.
  std::vector<at::Tensor> arranged(const NamedTensors& given, at::Device device) const;
  /// The results by name; those that are no tensors are left out.
  NamedTensors named(std::vector<at::Tensor> outputs) const;

 private:
  struct Input {
    std::string name;
    InputCheck check;
  };

  void read_inputs(const PackagedModel& packaged, const CompiledModel& model);
  void name_inputs(const CompiledModel& model, const ExportedProgram& exported);
  std::string bounds() const;
  void check_sizes(const Input& input, const at::Tensor& tensor,
                   const Extent::Symbols& symbols) const;

  std::string name_;
  std::vector<Input> inputs_;
  std::vector<TensorSpec> outputs_;
};

}  // namespace torchsight
