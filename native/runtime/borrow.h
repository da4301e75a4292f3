// Which storages running jobs read and write, so that nobody changes them meanwhile.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torchsight {

/// Holds the storages of some tensors for reading or writing while it lives.
class Borrow {
 public:
  Borrow() = default;
  /// Throws `Error(kTensorBusy)` where another borrow is in the way: writing needs the storage
  /// alone, reading needs that nobody writes.
  Borrow(const std::vector<at::Tensor>& read, const std::vector<at::Tensor>& written);
  Borrow(Borrow&& other) noexcept = default;
  Borrow& operator=(Borrow&& other) noexcept;
  ~Borrow() { release(); }

 private:
  void release() noexcept;
  struct Hold {
    c10::Storage storage;  // kept, so that its address is not used again meanwhile
    bool writes;
  };
  std::vector<Hold> held_;
};

/// Throws `Error(kTensorBusy)` where a job's borrow forbids to use `tensor` right now. Costs one
/// atomic load while no job runs.
void check_free(const at::Tensor& tensor, bool writes);

}  // namespace torchsight
