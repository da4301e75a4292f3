// What needs CUDA's or NCCL's headers: a shared object of its own, torchsight_cuda, which is opened
// where it lies beside the addon and libtorch has the parts that it links against.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <filesystem>
#include <memory>
#include <string>

#include "runtime/work_graph.h"

namespace torchsight {

struct CudaParts {
  /// Increased with every change of what is below.
  static constexpr int kVersion = 1;

  struct Card {
    std::string name;
    int64_t memory = 0;  // bytes
    int major = 0;       // of the compute capability
    int minor = 0;
  };

  int version;
  /// The libtorch that it was compiled against, e.g. "2.13.0".
  const char* libtorch;
  /// What it was compiled with, e.g. "CUDA 13.0, NCCL 2.30.7".
  const char* built_with;

  /// Of a card that is there. Takes no memory on it.
  Card (*card)(int index);
  /// Ranks joined by NCCL, each with the current device. Nothing here may end the process.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl)(c10::intrusive_ptr<c10d::Store> store, int rank,
                                                 int size, std::chrono::milliseconds timeout);
  /// For libtorch before 2.12, whose at::accelerator has none.
  std::unique_ptr<WorkGraph> (*make_graph)(at::Device device);
  /// y[r, o] <- scale[o] sum_i x[r, i] w[o, i] for the int8 weight `w` and a few rows; false where
  /// there is no kernel for such operands.
  bool (*multiply)(const at::Tensor& x_RI, const at::Tensor& w_OI, const at::Tensor& scale_O,
                   at::Tensor& y_RO);
};

/// Where torchsight_cuda is looked for, if not beside the addon or the worker.
void set_cuda_parts_folder(std::filesystem::path folder);

/// The parts, opened at the first call; null where they were not built or cannot be opened here.
const CudaParts* cuda_parts();

}  // namespace torchsight

/// The one symbol of torchsight_cuda.
extern "C" const torchsight::CudaParts* torchsight_cuda_parts();
