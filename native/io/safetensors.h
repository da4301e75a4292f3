// safetensors files: reading by offset, and writing tensor by tensor.
#pragma once

#include <functional>

#include "io/file.h"
#include "io/tensor_file.h"
#include "runtime/tensors.h"

namespace torchsight {

/// An open safetensors file whose header has been checked against the file's size. Every later read
/// goes to the same open file, whatever becomes of its path.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(InputFile file);
  Json metadata() const override;
  const InputFile& file() const noexcept { return file_; }
  /// `digest_of` the header as it stands in the file, read again.
  std::string header_digest() const;

 protected:
  void read_bytes(const TensorInfo& info, uint64_t offset, void* to, uint64_t bytes) const override;

 private:
  InputFile file_;
  uint64_t data_begin_ = 0;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// What a writer has to know of a tensor before its values are there.
struct TensorOutline {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t bytes() const;
};

/// Writes one file tensor by tensor, so that never more than one of them is in memory. The layout
/// is that of the reference implementation, byte for byte: wider dtypes first, then by name, the
/// header padded with spaces to a multiple of 8. The file takes its name in `finish`.
class SafetensorsWriter {
 public:
  /// Throws `Error(kBadInput)` for equal names and for the name "__metadata__", which could be
  /// written but not read.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorOutline> tensors,
                    const Metadata& metadata = {});
  /// Writes the values of one tensor, in any order.
  void write(const std::string& name, const at::Tensor& tensor);
  /// Throws `Error(kInternal)` where a tensor was not written.
  void finish();

  /// Of the whole file, and `digest_of` its header.
  uint64_t bytes() const noexcept { return bytes_; }
  const std::string& header_digest() const noexcept { return header_digest_; }

 private:
  struct Place {
    TensorOutline outline;
    uint64_t offset;
    bool written = false;
  };
  OutputFile file_;
  std::vector<Place> places_;  // sorted by name
  uint64_t bytes_ = 0;
  std::string header_digest_;
};

/// Writes `tensors` into one file.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata = {});

}  // namespace torchsight
