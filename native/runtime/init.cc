// Random parameters as a file of tensors whose bytes are made when they are read.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <cstring>

#include "io/tensor_file.h"
#include "runtime/error.h"
#include "runtime/load_plan.h"

namespace torchsight {
namespace {

// Values come in blocks, each from a generator of its own, so that any part of a tensor can be made
// without the rest and by several threads.
constexpr int64_t kBlock = 1 << 16;
// Values made between two checkpoints.
constexpr int64_t kPiece = kBlock * 64;

// The variance of a normal distribution cut at two standard deviations is this one's square.
constexpr double kTruncatedDeviation = 0.87962566103423978;
constexpr double kBelowMinusTwo = 0.022750131948179195;  // of the standard normal distribution

uint64_t mix(uint64_t value) {  // splitmix64
  value += 0x9E3779B97F4A7C15;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
  value = (value ^ value >> 27) * 0x94D049BB133111EB;
  return value ^ value >> 31;
}

uint64_t seed_of(uint64_t seed, std::string_view name) {
  uint64_t state = mix(seed);
  for (const char c : name) state = mix(state ^ static_cast<unsigned char>(c));
  return state;
}

struct Fans {
  double in, out;
};

Fans fans_of(const Parameter& parameter) {
  const Init& init = parameter.init;
  const auto& shape = parameter.full_shape;
  double field = 1;  // of a convolution's kernel
  for (size_t dim = 2; dim < shape.size(); ++dim) field *= static_cast<double>(shape[dim]);
  const double rows = shape.empty() ? 1 : static_cast<double>(shape[0]);
  const double columns = shape.size() < 2 ? rows : static_cast<double>(shape[1]);
  return {init.fan_in > 0 ? static_cast<double>(init.fan_in) : columns * field,
          init.fan_out > 0 ? static_cast<double>(init.fan_out) : rows * field};
}

class RandomTensor : public TensorFile {
 public:
  RandomTensor(const Parameter& parameter, uint64_t seed)
      // Short runs are always picked out of whole windows: making a block again costs more.
      : TensorFile("random values", UINT64_MAX),
        init_(parameter.init),
        fans_(fans_of(parameter)),
        seed_(seed_of(seed, parameter.name)) {
    const auto bytes = static_cast<uint64_t>(Box::whole(parameter.full_shape).elements()) * 4;
    set_tensors({{parameter.name, "F32", parameter.full_shape, 0, bytes}});
  }

 protected:
  void read_bytes(const TensorInfo& info, uint64_t offset, void* to,
                  uint64_t bytes) const override {
    auto* out = static_cast<char*>(to);
    const uint64_t block_bytes = kBlock * sizeof(float);
    for (uint64_t at = offset; at < offset + bytes;) {
      const uint64_t block = at / block_bytes, inside = at % block_bytes;
      const uint64_t count = std::min(block_bytes - inside, offset + bytes - at);
      const at::Tensor values = block_values(block);
      std::memcpy(out, static_cast<const char*>(values.const_data_ptr()) + inside, count);
      out += count;
      at += count;
    }
  }

 private:
  at::Tensor block_values(uint64_t block) const {
    const at::NoGradGuard no_grad;  // may be another thread than the caller's
    auto generator = at::make_generator<at::CPUGeneratorImpl>(mix(seed_ ^ mix(block)));
    at::Tensor values = at::empty({kBlock});
    switch (init_.kind) {
      case Init::Kind::kNormal:
        return values.normal_(0, init_.value, generator);
      case Init::Kind::kXavierUniform: {
        const double limit = std::sqrt(6 / (fans_.in + fans_.out));
        return values.uniform_(-limit, limit, generator);
      }
      default: {  // kLecunNormal, by the inverse of the distribution function
        const double limit = 1 - 2 * kBelowMinusTwo;
        const double deviation = std::sqrt(1 / fans_.in) / kTruncatedDeviation;
        values.uniform_(-limit, limit, generator).erfinv_().mul_(std::sqrt(2) * deviation);
        return values.clamp_(-2 * deviation, 2 * deviation);
      }
    }
  }

  Init init_;
  Fans fans_;
  uint64_t seed_;
};

bool is_random(Init::Kind kind) {
  return kind == Init::Kind::kNormal || kind == Init::Kind::kXavierUniform ||
         kind == Init::Kind::kLecunNormal;
}

void fill(const Parameter& parameter, uint64_t seed, JobContext& context) {
  const at::Tensor& tensor = parameter.tensor;
  if (!is_random(parameter.init.kind)) {
    const double constant = parameter.init.kind == Init::Kind::kZeros  ? 0
                            : parameter.init.kind == Init::Kind::kOnes ? 1
                                                                       : parameter.init.value;
    tensor.fill_(constant);
    return;
  }
  const RandomTensor values(parameter, seed);
  Box box = Box::whole(parameter.full_shape);
  if (parameter.cut) {
    const Cut& cut = *parameter.cut;
    box = box.part(static_cast<size_t>(cut.dim), cut.begin, cut.length);
  }
  const TensorInfo& info = values.tensors().front();
  if (box.length.empty()) return values.read(info, box, tensor);
  // In pieces, so that a cancel need not wait for the largest of tensors.
  const int64_t rows = box.length[0];
  const int64_t step = std::max<int64_t>(1, rows * kPiece / std::max<int64_t>(1, tensor.numel()));
  for (int64_t begin = 0; begin < rows; begin += step) {
    context.checkpoint();
    const int64_t count = std::min(step, rows - begin);
    values.read(info, box.part(0, begin, count), tensor.narrow(0, begin, count));
  }
}

}  // namespace

void initialize(Module& module, uint64_t seed, JobContext& context) {
  const at::NoGradGuard no_grad;
  const std::vector<Parameter> parameters = module.parameters();
  Progress progress{0, 0, "initialize"};
  for (const Parameter& parameter : parameters) {
    progress.total += static_cast<double>(parameter.tensor.nbytes());
  }
  for (const Parameter& parameter : parameters) {
    context.checkpoint();  // constants are filled without one
    context.progress(progress);
    fill(parameter, seed, context);
    progress.done += static_cast<double>(parameter.tensor.nbytes());
  }
  context.progress(progress);
}

}  // namespace torchsight
