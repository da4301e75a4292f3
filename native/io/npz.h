// npz and npy files of NumPy, with the interface of every other file of tensors.
#pragma once

#include <memory>

#include "io/file.h"
#include "io/tensor_file.h"

namespace torchsight {

/// Opens an archive of arrays (.npz), stored or deflated, or a single one (.npy), whose tensor is
/// called as the file without its ending. Entries that are not arrays are passed over. Throws
/// `Error(kBadCheckpoint)`.
std::unique_ptr<TensorFile> open_npz(InputFile file);

}  // namespace torchsight
