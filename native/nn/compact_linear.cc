#include "nn/compact_linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>
#include <tuple>

#include "nn/derivative.h"
#include "nn/product_kernels.h"
#include "runtime/cuda_parts.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// Up to so many rows the kernels here are faster than general matrix products.
constexpr int64_t kFewRows = 24;
// Above, a block of the weight at a time becomes float32 numbers in scratch memory.
constexpr int64_t kMinBlockOuts = 64, kMaxBlockOuts = 512, kBlockIns = 2048;
// What is worth another thread.
constexpr int64_t kGrainWeights = 1 << 15;
// With so many outputs for each thread, products side by side are faster than one on all threads.
constexpr int64_t kWideOuts = 512;

bool has_rows(const at::Tensor& matrix) {
  return matrix.is_cpu() && (matrix.size(1) <= 1 || matrix.stride(1) == 1);
}

bool has_kernels(const at::Tensor& weight_OI) {
  const at::ScalarType dtype = weight_OI.scalar_type();
  return has_rows(weight_OI) && (dtype == at::kFloat || dtype == at::kBFloat16 ||
                                 dtype == at::kHalf || dtype == at::kChar);
}

// Calls `f` with the C++ type of the weight's numbers.
template <typename F>
void dispatch(const at::Tensor& weight_OI, const F& f) {
  const at::ScalarType dtype = weight_OI.scalar_type();
  if (dtype == at::kFloat) f.template operator()<float>();
  if (dtype == at::kBFloat16) f.template operator()<c10::BFloat16>();
  if (dtype == at::kHalf) f.template operator()<c10::Half>();
  if (dtype == at::kChar) f.template operator()<int8_t>();
}

template <typename Weight>
Rows<const Weight> rows_of(const at::Tensor& matrix) {
  return {matrix.const_data_ptr<Weight>(), matrix.size(0), matrix.stride(0)};
}

// So many rows of the weight are worth another thread.
int64_t grain(const at::Tensor& weight_OI) {
  return kGrainWeights / (weight_OI.size(1) + 1) + 1;
}

// A few rows: as fast as the weight comes from memory.
void multiply(const at::Tensor& x_RI, const at::Tensor& weight_OI, const float* scale,
              at::Tensor& y_RO) {
  const int64_t in = weight_OI.size(1);
  const auto x = rows_of<float>(x_RI);
  const Rows<float> y{y_RO.mutable_data_ptr<float>(), y_RO.size(0), y_RO.stride(0)};
  dispatch(weight_OI, [&]<typename Weight>() {
    const auto w = rows_of<Weight>(weight_OI);
    const auto kernel = product_kernels().of<Weight>().multiply;
    at::parallel_for(0, w.count, grain(weight_OI), [=](int64_t begin, int64_t end) {
      kernel(x, w.from(begin, end - begin), scale ? scale + begin : scale, in,
             {y.data + begin, y.count, y.stride});
    });
  });
}

// Many rows: matrix products with one block of the weight after the other. Each thread has blocks
// of its own, so that none waits for another before the end.
void multiply_blocks(const at::Tensor& x_RI, const at::Tensor& weight_OI, const float* scale,
                     at::Tensor& y_RO) {
  const int64_t in = weight_OI.size(1), ins = std::min(in, kBlockIns);
  dispatch(weight_OI, [&]<typename Weight>() {
    const auto w = rows_of<Weight>(weight_OI);
    const auto widen = product_kernels().of<Weight>().widen;
    at::parallel_for(0, w.count, kMinBlockOuts, [&](int64_t begin, int64_t end) {
      const c10::InferenceMode guard;  // threads do not inherit the mode of their caller
      const int64_t outs = std::min(end - begin, kMaxBlockOuts);
      const at::Tensor block = at::empty({outs * ins}, at::kFloat);
      float* const wide = block.mutable_data_ptr<float>();
      for (int64_t o = begin; o < end; o += outs) {
        const int64_t o_count = std::min(outs, end - o);
        at::Tensor y_part = y_RO.narrow(1, o, o_count);
        for (int64_t i = 0; i < in; i += ins) {
          const int64_t i_count = std::min(ins, in - i);
          for (int64_t k = 0; k < o_count; ++k) {
            widen(w[o + k] + i, scale ? scale[o + k] : 1, i_count, wide + k * i_count);
          }
          const at::Tensor part_OI = block.narrow(0, 0, o_count * i_count).view({o_count, i_count});
          // The first replaces what y holds.
          y_part.addmm_(x_RI.narrow(1, i, i_count), part_OI.t(), /*beta=*/i > 0 ? 1 : 0);
        }
      }
    });
  });
}

// Many rows, a weight that is float32 already. The library cuts a product of few hundred rows along
// these, and then every thread rearranges the whole weight.
at::Tensor multiply_wide(const at::Tensor& x_RI, const at::Tensor& weight_OI) {
  const int64_t out = weight_OI.size(0), threads = at::get_num_threads();
  if (threads == 1 || out / threads < kWideOuts) return at::mm(x_RI, weight_OI.t());
  at::Tensor y_RO = at::empty({x_RI.size(0), out}, x_RI.options());
  at::parallel_for(0, out, kWideOuts, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode guard;  // threads do not inherit the mode of their caller
    at::Tensor part_Ro = y_RO.narrow(1, begin, end - begin);
    at::mm_out(part_Ro, x_RI, weight_OI.narrow(0, begin, end - begin).t());
  });
  return y_RO;
}

// As the kernel does it, on any device.
std::tuple<at::Tensor, at::Tensor> quantize_plainly(const at::Tensor& weight_OI) {
  const at::Tensor wide_OI = weight_OI.to(at::kFloat);
  const at::Tensor scale_O = wide_OI.abs().amax(1) / 127;
  const at::Tensor usable_O = scale_O.isfinite() & (scale_O > 0);
  const at::Tensor q_OI = (wide_OI / scale_O.unsqueeze(1)).round().clamp(-127, 127);
  return {at::where(usable_O.unsqueeze(1), q_OI, 0).to(at::kChar), scale_O};
}

std::tuple<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& weight_OI) {
  if (!has_kernels(weight_OI)) return quantize_plainly(weight_OI);
  const int64_t in = weight_OI.size(1), out = weight_OI.size(0);
  at::Tensor q_OI = at::empty({out, in}, at::kChar), scale_O = at::empty({out}, at::kFloat);
  int8_t* const q = q_OI.mutable_data_ptr<int8_t>();
  float* const scale = scale_O.mutable_data_ptr<float>();
  dispatch(weight_OI, [&]<typename Weight>() {
    const auto w = rows_of<Weight>(weight_OI);
    const ProductKernels& kernels = product_kernels();
    at::parallel_for(0, out, grain(weight_OI), [&](int64_t begin, int64_t end) {
      std::vector<float> wide(in);
      for (int64_t o = begin; o < end; ++o) {
        kernels.of<Weight>().widen(w[o], 1, in, wide.data());
        scale[o] = kernels.quantize(wide.data(), in, q + o * in);
      }
    });
  });
  return {q_OI, scale_O};
}

}  // namespace

CompactLinear::CompactLinear(at::Tensor weight_OI) : weight_OI_(std::move(weight_OI)) {}

void CompactLinear::quantize() {
  if (!quantized()) std::tie(weight_OI_, scale_O_) = quantize_rows(weight_OI_);
}

at::Tensor CompactLinear::operator()(const at::Tensor& x_RI) const {
  if (needs_derivative(x_RI, weight_OI_)) {
    throw Error(
        ErrorCode::kUnsupported,
        "expected no gradients for a decoder's matrices, whose products have no derivative");
  }
  if (x_RI.is_cuda() && quantized() && cuda_parts()) {
    // A few rows; more of them are worth a whole weight of wider numbers.
    at::Tensor y_RO = at::empty({x_RI.size(0), weight_OI_.size(0)}, x_RI.options());
    if (cuda_parts()->multiply(x_RI, weight_OI_, scale_O_, y_RO)) return y_RO;
  }
  if (!x_RI.is_cpu() || x_RI.scalar_type() != at::kFloat || !has_kernels(weight_OI_)) {
    const at::ScalarType dtype = x_RI.scalar_type();
    if (!quantized()) return at::linear(x_RI.to(weight_OI_.scalar_type()), weight_OI_).to(dtype);
    return at::linear(x_RI, weight_OI_.to(dtype)) * scale_O_.to(dtype);
  }
  const at::Tensor rows_RI = has_rows(x_RI) ? x_RI : x_RI.contiguous();
  if (x_RI.size(0) > kFewRows && weight_OI_.scalar_type() == at::kFloat) {
    return multiply_wide(rows_RI, weight_OI_);
  }
  at::Tensor y_RO = at::empty({x_RI.size(0), weight_OI_.size(0)}, x_RI.options());
  const auto product = x_RI.size(0) > kFewRows ? multiply_blocks : multiply;
  product(rows_RI, weight_OI_, scale_O_.defined() ? scale_O_.const_data_ptr<float>() : nullptr,
          y_RO);
  return y_RO;
}

at::Tensor CompactLinear::dense() const {
  return quantized() ? weight_OI_ * scale_O_.unsqueeze(1) : weight_OI_;
}

at::Tensor CompactLinear::rows(const at::Tensor& ids_n) const {
  const auto dtype = at::promote_types(weight_OI_.scalar_type(), at::kFloat);
  const at::Tensor rows_nI = weight_OI_.index_select(0, ids_n).to(dtype);
  return quantized() ? rows_nI * scale_O_.index_select(0, ids_n).unsqueeze(1) : rows_nI;
}

}  // namespace torchsight
