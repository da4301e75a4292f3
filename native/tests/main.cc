#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "runtime/accelerator.h"
#include "runtime/cuda_parts.h"

int main(int count, char** arguments) {
  torchsight::map_gpu_parts();  // before anything asks libtorch for a device
#ifdef TORCHSIGHT_CUDA_FOLDER
  torchsight::set_cuda_parts_folder(TORCHSIGHT_CUDA_FOLDER);
#endif
  return doctest::Context(count, arguments).run();
}
