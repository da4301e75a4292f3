// Random numbers of samples: Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3", 2011), one stream for each sample. What is drawn for a sample depends on its seed, its
// stream and the number of the draw alone: neither on the batch nor on threads, dtype or device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace torchsight::diffusion {

class NoiseStreams {
 public:
  struct Stream {
    int64_t seed;
    int64_t number = 0;  // of several that one seed serves, e.g. stages of a cascade
  };

  explicit NoiseStreams(std::vector<Stream> streams) : streams_(std::move(streams)) {}

  int64_t size() const { return static_cast<int64_t>(streams_.size()); }

  /// Standard normal numbers for all samples, `like_BS` being of their shape, dtype and device.
  /// They are computed on the CPU in float64 (Box and Muller) and rounded, so that all devices have
  /// the same. `draw` is below 2^23.
  at::Tensor normal(const at::Tensor& like_BS, int64_t draw) const;
  /// A uniform number from [0, 1) for each sample: float64 [B] on the CPU.
  at::Tensor uniform(int64_t draw) const;

 private:
  std::vector<Stream> streams_;
};

}  // namespace torchsight::diffusion
