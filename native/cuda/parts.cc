// What torchsight_cuda gives the core (runtime/cuda_parts.h).
#include "runtime/cuda_parts.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>
#include <torch/headeronly/version.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>

#ifdef TORCHSIGHT_CUDA_KERNELS
#include "cuda/few_rows.h"
#endif

namespace torchsight {
namespace {

CudaParts::Card card(int index) {
  const cudaDeviceProp& properties =
      *at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(index));
  return {properties.name, static_cast<int64_t>(properties.totalGlobalMem), properties.major,
          properties.minor};
}

// Settings of ProcessGroupNCCL that the environment alone can give; what the user has set stands.
void prefer(const char* name, const char* value) {
  setenv(name, value, /*overwrite=*/0);
}

c10::intrusive_ptr<c10d::Backend> make_nccl(c10::intrusive_ptr<c10d::Store> store, int rank,
                                            int size, std::chrono::milliseconds timeout) {
  // A collective that fails is given up and told of. By default the whole process would end, which
  // may be somebody's server.
  static_assert(c10d::CleanUpOnly == 2);
  prefer("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2");
  // So would its watchdog end the process where the driver does not answer.
  prefer("TORCH_NCCL_ENABLE_MONITORING", "0");
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(std::move(store), rank, size, options);
}

std::unique_ptr<WorkGraph> make_graph(at::Device device) {
  using Graph = StreamGraph<at::cuda::CUDAGraph, cudaStreamCaptureModeThreadLocal>;
  return std::make_unique<Graph>(device);
}

#ifdef TORCHSIGHT_CUDA_KERNELS

template <typename X>
void launch(const at::Tensor& x_RI, const at::Tensor& w_OI, const at::Tensor& scale_O,
            at::Tensor& y_RO) {
  const few_rows::Product<X> product{
      .x = static_cast<const X*>(x_RI.const_data_ptr()),
      .x_stride = x_RI.stride(0),
      .w = w_OI.const_data_ptr<int8_t>(),
      .scale = scale_O.const_data_ptr<float>(),
      .y = static_cast<X*>(y_RO.mutable_data_ptr()),
      .y_stride = y_RO.stride(0),
      .rows = x_RI.size(0),
      .outs = w_OI.size(0),
      .length = w_OI.size(1),
  };
  const c10::cuda::CUDAGuard guard(x_RI.device());
  few_rows::launch(product, c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

bool multiply(const at::Tensor& x_RI, const at::Tensor& w_OI, const at::Tensor& scale_O,
              at::Tensor& y_RO) {
  const int64_t rows = x_RI.size(0);
  if (rows < 1 || rows > few_rows::kMostRows || w_OI.numel() == 0) return false;
  if (x_RI.stride(1) != 1 || y_RO.stride(1) != 1 || !w_OI.is_contiguous()) return false;
  if (x_RI.scalar_type() == at::kFloat) {
    launch<float>(x_RI, w_OI, scale_O, y_RO);
  } else if (x_RI.scalar_type() == at::kBFloat16) {
    launch<few_rows::Bfloat16>(x_RI, w_OI, scale_O, y_RO);
  } else {
    return false;
  }
  return true;
}

#else

bool multiply(const at::Tensor&, const at::Tensor&, const at::Tensor&, at::Tensor&) {
  return false;
}

#endif

std::string built_with() {
  const auto dotted = [](int major, int minor) {
    return std::to_string(major) + "." + std::to_string(minor);
  };
  std::string text = "CUDA " + dotted(CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10) +
                     ", NCCL " + dotted(NCCL_MAJOR, NCCL_MINOR) + "." + std::to_string(NCCL_PATCH);
#ifndef TORCHSIGHT_CUDA_KERNELS
  text += ", no kernels";
#endif
  return text;
}

}  // namespace
}  // namespace torchsight

extern "C" __attribute__((visibility("default"))) const torchsight::CudaParts*
torchsight_cuda_parts() {
  using namespace torchsight;
  static const std::string text = built_with();
  static const CudaParts parts{CudaParts::kVersion, TORCH_VERSION, text.c_str(), card,
                               make_nccl,           make_graph,    multiply};
  return &parts;
}
