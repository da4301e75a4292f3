// Steps of decoding whose operands all lie at fixed places, so that a graph captured once on a CUDA
// device serves them all: launching some 300 kernels takes as long there as running them.
#pragma once

#include <memory>
#include <thread>

#include "nn/decoder/decoder.h"
#include "runtime/work_graph.h"

namespace torchsight {

class FixedSteps {
 public:
  /// Goes on from `cache`, whose memory must hold zeros behind its tokens. `next_B` are the
  /// positions that follow. The decoder has to outlive it.
  FixedSteps(Decoder& decoder, const KvCache& cache, const at::Tensor& next_B);

  /// Reads one token of each row, int64 [B], and gives the logits [B, V] of what follows, which the
  /// next step overwrites. Counts them in the memory alone, not in the `KvCache`.
  const at::Tensor& operator()(const at::Tensor& ids_B);

 private:
  void run();

  Decoder* decoder_;
  KvCache cache_;
  at::Tensor ids_B1_, next_B1_, place_1_, begin_B1_, column_M_, logits_BV_;
  std::unique_ptr<WorkGraph> graph_;
  std::thread::id warm_;  // whose steps have chosen kernels
};

}  // namespace torchsight
