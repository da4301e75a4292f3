// Work of a device that is captured once and replayed: giving it hundreds of kernels one by one can
// take as long as running them.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <functional>
#include <memory>

namespace torchsight {

class WorkGraph {
 public:
  virtual ~WorkGraph() = default;
  /// Records what `work` gives the device, which does not do it yet. Its operands must stay where
  /// they are. The same thread must have done such work before: kernels are chosen and handles made
  /// by then, which a capture forbids.
  virtual void capture(const std::function<void()>& work) = 0;
  /// Gives the device the recorded work, after what this thread gave it before.
  virtual void replay() = 0;
};

/// Whether libtorch can capture the work of `device`.
bool has_work_graphs(at::Device device);

/// Throws `Error(kUnsupported)` where it cannot.
std::unique_ptr<WorkGraph> make_work_graph(at::Device device);

/// A graph of a class of libtorch's, captured in a mode that lets other threads take memory
/// meanwhile.
template <typename Graph, auto kThreadLocal>
class StreamGraph final : public WorkGraph {
 public:
  explicit StreamGraph(at::Device device)
      : stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, false)) {
  }

  void capture(const std::function<void()>& work) override {
    const c10::StreamGuard guard(stream_);  // the default stream cannot be captured
    graph_.capture_begin({0, 0}, kThreadLocal);
    try {
      work();
    } catch (...) {
      end_quietly();
      throw;
    }
    graph_.capture_end();
  }

  void replay() override { graph_.replay(); }

 private:
  // The stream must leave its capture, whatever that says.
  void end_quietly() noexcept {
    try {
      graph_.capture_end();
    } catch (const std::exception&) {
      // What went wrong is in flight already.
    }
  }

  c10::Stream stream_;
  Graph graph_;
};

}  // namespace torchsight
