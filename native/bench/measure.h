// Times, beside those of a plain product: machines drift, and a ratio of neighbours does not.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace torchsight::bench {

struct Row {
  std::string weights;  // bfloat16, float8
  int64_t batch = 0;
  bool graph = false;
  double seconds = 0;      // of a call: the median
  double operations = 0;   // of a call
  double product = 0;      // operations a second of the product beside it
  int64_t peak_bytes = 0;  // that tensors of this process held on the device
  std::string note;        // what went wrong, or how far it is from bfloat16

  double images_per_second() const { return static_cast<double>(batch) / seconds; }
  double rate() const { return operations / seconds; }
};

/// A product of square matrices in the model's dtype, large enough to fill the device.
class Product {
 public:
  Product(at::Device device, at::ScalarType dtype);
  /// Operations a second over about `seconds`.
  double rate(double seconds) const;

 private:
  at::Tensor a_, b_;
  mutable at::Tensor c_;
};

/// Seconds of one `work`, over about `seconds` of them. The device is waited for once at the end.
double time_of(const std::function<void()>& work, at::Device device, double seconds);

/// Measures `work`, of `row.operations`, in between products, and fills in time, product and peak.
/// Of several such triplets the one in the middle counts; those whose products differ by more than
/// a tenth do not.
void measure(Row& row, const std::function<void()>& work, const Product& product, at::Device device,
             double seconds);

/// The table in Markdown.
std::string table(const std::vector<Row>& rows);
/// One line of JSON.
std::string line(const Row& row);

}  // namespace torchsight::bench
