// Files that hold named tensors, read by parts straight into the memory that keeps them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/box.h"
#include "io/json.h"
#include "io/key_set.h"
#include "io/safetensors_header.h"

namespace torchsight {

/// The dtype of libtorch for a token of safetensors; empty where this library has none.
std::optional<at::ScalarType> scalar_type_of(std::string_view token) noexcept;
/// The inverse; throws `Error(kUnsupported)`.
std::string_view token_of(at::ScalarType dtype);

class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::string& name() const noexcept { return name_; }
  const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }
  /// The tensor of that name, or null.
  const TensorInfo* find(std::string_view name) const noexcept;
  /// Free text that the file carries.
  virtual Json metadata() const { return Json::Object{}; }

  /// Reads the part `box` of the tensor into `destination`, which has the box's lengths as shape.
  /// Only bytes of the part are read, up to small gaps. A contiguous CPU destination of the same
  /// dtype is filled in place; any other is filled through a staging buffer of a few MB. Dtypes are
  /// converted among floating ones and to wider integers; anything else is `Error(kBadCheckpoint)`
  /// with the reason DTYPE_MISMATCH. Dtypes that libtorch lacks are `Error(kUnsupported)`.
  void read(const TensorInfo& info, const Box& box, const at::Tensor& destination) const;

  /// A new CPU tensor of the file's own dtype.
  at::Tensor load(const TensorInfo& info) const;
  at::Tensor load(const TensorInfo& info, const Box& box) const;

 protected:
  /// Runs shorter than `direct_run` bytes are picked out of larger reads where gaps are small.
  TensorFile(std::string name, uint64_t direct_run)
      : name_(std::move(name)), direct_run_(direct_run) {}
  void set_tensors(std::vector<TensorInfo> tensors);

  /// Fills `to` with bytes of the tensor's data from `offset`. Called from several threads.
  virtual void read_bytes(const TensorInfo& info, uint64_t offset, void* to,
                          uint64_t bytes) const = 0;

 private:
  // One tensor as it lies in the file: row-major, `shape` reversed where the file's order is.
  struct Layout {
    const TensorInfo& info;
    std::vector<int64_t> shape;
    at::ScalarType type;
    uint64_t element;  // bytes
  };
  void read_staged(const Layout& layout, const Box& box, const at::Tensor& destination) const;
  void read_chunks(const Layout& layout, const Box& box, const at::Tensor& destination,
                   char* staging) const;
  void read_packed(const Layout& layout, const Box& box, char* to) const;
  void read_halves(const Layout& layout, const Box& box, char* to) const;

  std::string name_;
  uint64_t direct_run_;
  std::vector<TensorInfo> tensors_;
  KeySet names_;  // views of the names in tensors_
};

/// The dtype of libtorch that a tensor of a file has; throws `Error(kUnsupported)` where there is
/// none.
at::ScalarType scalar_type_in(const TensorFile& file, const TensorInfo& info);

/// Opens a safetensors file, or an npz or npy file by its ending. Throws `Error(kNotFound)` or
/// `Error(kBadCheckpoint)`.
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

}  // namespace torchsight
