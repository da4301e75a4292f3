#include "nn/float8_linear.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight::float8 {
namespace {

constexpr double kLargest = 448;    // of e4m3
constexpr double kTiniest = 1e-12;  // a scale for rows of zeros

}  // namespace

Rows to_rows(const at::Tensor& matrix_RI) {
  const at::Tensor largest_R = matrix_RI.abs().amax(1).to(at::kFloat);
  const at::Tensor scale_R = (largest_R / kLargest).clamp_min(kTiniest);
  // The division is in float32: a bfloat16 quotient would be rounded twice.
  return {at::div(matrix_RI, scale_R.unsqueeze(1)).to(at::kFloat8_e4m3fn), scale_R};
}

at::Tensor product(const Rows& x_RI, const Rows& weight_OI, const at::Tensor& bias_O,
                   at::ScalarType dtype) {
  // Cards give bfloat16 alone for scales of rows.
  const at::ScalarType given = x_RI.numbers.is_cuda() ? at::kBFloat16 : dtype;
  const auto bias = bias_O.defined() ? std::optional(bias_O.to(given)) : std::nullopt;
  return at::_scaled_mm(x_RI.numbers, weight_OI.numbers.t(), x_RI.scale_R.unsqueeze(1),
                        weight_OI.scale_R.unsqueeze(0), bias, /*scale_result=*/{}, given,
                        /*use_fast_accum=*/true)
      .to(dtype);
}

bool wanted(const ModuleOptions& options) {
  const std::string weights = options.extra.get("weights", "as loaded");
  if (weights == "as loaded") return false;
  if (weights != "float8") {
    throw Error(ErrorCode::kBadInput,
                "expected float8 for the option weights but received \"" + weights + "\"");
  }
  if (!options.group) return true;
  throw Error(ErrorCode::kUnsupported,
              "expected one rank for weights in float8 but received a group of ranks");
}

void require(at::Device device) {
  if (device.is_meta()) return;
  const at::Tensor ones = at::ones({16, 16}, device);
  try {
    product(to_rows(ones), to_rows(ones), {}, at::kFloat);
  } catch (const std::exception&) {
    throw Error(ErrorCode::kUnsupported,
                "expected a device with products in float8 (cards from compute capability 8.9 on) "
                "for the option weights but received " +
                    device.str() + ": " + current_error().what(),
                "NO_FLOAT8");
  }
}

}  // namespace torchsight::float8
