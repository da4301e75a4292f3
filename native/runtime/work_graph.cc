#include "runtime/work_graph.h"

#include "runtime/cuda_parts.h"
#include "runtime/error.h"

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define TORCHSIGHT_ACCELERATOR_GRAPHS
#endif

namespace torchsight {

#ifdef TORCHSIGHT_ACCELERATOR_GRAPHS

bool has_work_graphs(at::Device device) {
  return at::has_graph_impl(device.type());
}

std::unique_ptr<WorkGraph> make_work_graph(at::Device device) {
  if (has_work_graphs(device)) {
    using Graph = StreamGraph<at::accelerator::Graph, at::GraphCaptureMode::ThreadLocal>;
    return std::make_unique<Graph>(device);
  }
  throw Error(ErrorCode::kUnsupported,
              "expected a device whose work can be captured but received " + device.str());
}

#else

bool has_work_graphs(at::Device device) {
  return device.is_cuda() && cuda_parts();
}

std::unique_ptr<WorkGraph> make_work_graph(at::Device device) {
  if (has_work_graphs(device)) return cuda_parts()->make_graph(device);
  throw Error(ErrorCode::kUnsupported,
              "expected a device whose work can be captured but received " + device.str() +
                  ": this libtorch captures CUDA alone, by torchsight_cuda");
}

#endif

}  // namespace torchsight
