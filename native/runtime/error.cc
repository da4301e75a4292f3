#include "runtime/error.h"

#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/exception.h>

#include <algorithm>
#include <array>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace torchsight {
namespace {

constexpr std::array<std::pair<ErrorCode, std::string_view>, 21> kNames{{
    {ErrorCode::kUsage, "USAGE"},
    {ErrorCode::kNotFound, "NOT_FOUND"},
    {ErrorCode::kBadCheckpoint, "BAD_CHECKPOINT"},
    {ErrorCode::kBadConfig, "BAD_CONFIG"},
    {ErrorCode::kBadInput, "BAD_INPUT"},
    {ErrorCode::kShape, "SHAPE"},
    {ErrorCode::kDtype, "DTYPE"},
    {ErrorCode::kUnsupported, "UNSUPPORTED"},
    {ErrorCode::kCancelled, "CANCELLED"},
    {ErrorCode::kDeadline, "DEADLINE"},
    {ErrorCode::kQueueFull, "QUEUE_FULL"},
    {ErrorCode::kOutOfMemory, "OUT_OF_MEMORY"},
    {ErrorCode::kRankFailed, "RANK_FAILED"},
    {ErrorCode::kCollectiveTimeout, "COLLECTIVE_TIMEOUT"},
    {ErrorCode::kRendezvous, "RENDEZVOUS"},
    {ErrorCode::kLibtorch, "LIBTORCH"},
    {ErrorCode::kDisposed, "DISPOSED"},
    {ErrorCode::kTensorBusy, "TENSOR_BUSY"},
    {ErrorCode::kWorkerFailed, "WORKER_FAILED"},
    {ErrorCode::kDiverged, "DIVERGED"},
    {ErrorCode::kInternal, "INTERNAL"},
}};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What libtorch and gloo throw without a class of its own is told apart by its text.
Error from_text(std::string_view text, ErrorCode otherwise, const char* reason) {
  const std::string message(text);
  if (contains(text, "DefaultCPUAllocator") || contains(text, "out of memory") ||
      contains(text, "STATUS_ALLOC_FAILED")) {  // of cuBLAS, cuDNN and their kin
    return {ErrorCode::kOutOfMemory, message, reason};
  }
  if (contains(text, "NVIDIA driver") || contains(text, "No CUDA GPUs")) {
    return {ErrorCode::kUnsupported, message, reason};
  }
  if (contains(text, "gloo") || contains(text, "collective operation")) {
    const bool late = contains(text, "imed out") || contains(text, "timeout");
    return {late ? ErrorCode::kCollectiveTimeout : ErrorCode::kRankFailed, message, reason};
  }
  return {otherwise, message, reason};
}

// cudaError_t of what leaves a process without its device, as driver_types.h has them: ECC and
// NVLink errors, illegal accesses and instructions, asserts in kernels, failed launches.
constexpr std::array kDeviceLost{214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719};
constexpr int kNoKernelImage = 209;

Error from_accelerator(const c10::AcceleratorError& error, const std::string& text) {
  const int code = error.get_error_code();
  if (code == kNoKernelImage) {
    return {ErrorCode::kUnsupported,
            "expected a card that this build has kernels for but received an older or newer one: "
            "take another libtorch, or build with its architecture in TORCH_CUDA_ARCH_LIST (" +
                text + ")",
            "NO_KERNELS"};
  }
  if (std::find(kDeviceLost.begin(), kDeviceLost.end(), code) == kDeviceLost.end()) {
    return from_text(text, ErrorCode::kLibtorch, "ACCELERATOR_ERROR");
  }
  return {ErrorCode::kLibtorch,
          "the device failed and this process cannot use it any more: start it anew, or load with "
          "isolate, whose worker is restarted for the next call (" +
              text + ")",
          std::string(kDeviceLostReason)};
}

// Subclasses come before their bases.
Error from_libtorch(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  const auto is = [&error]<typename T>(std::type_identity<T>) {
    return dynamic_cast<const T*>(&error) != nullptr;
  };
  const auto to = [&text](ErrorCode code, const char* reason) { return Error(code, text, reason); };

  if (is(std::type_identity<c10::OutOfMemoryError>())) {
    return to(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY_ERROR");
  }
  if (const auto* accelerator = dynamic_cast<const c10::AcceleratorError*>(&error)) {
    return from_accelerator(*accelerator, text);
  }
  if (is(std::type_identity<c10::DistBackendError>())) {
    return contains(text, "imed out") || contains(text, "timeout")
               ? to(ErrorCode::kCollectiveTimeout, "DIST_BACKEND_ERROR")
               : to(ErrorCode::kRankFailed, "DIST_BACKEND_ERROR");
  }
  // The store and its sockets throw these, which is where ranks meet.
  if (is(std::type_identity<c10d::TimeoutError>())) {
    return to(ErrorCode::kRendezvous, "TIMEOUT_ERROR");
  }
  if (is(std::type_identity<c10d::SocketError>())) {
    return to(ErrorCode::kRendezvous, "SOCKET_ERROR");
  }
  if (is(std::type_identity<c10::DistNetworkError>())) {
    return to(ErrorCode::kRendezvous, "DIST_NETWORK_ERROR");
  }
  if (is(std::type_identity<c10::DistStoreError>())) {
    return to(ErrorCode::kRendezvous, "DIST_STORE_ERROR");
  }
  if (is(std::type_identity<c10::DistError>())) return to(ErrorCode::kRankFailed, "DIST_ERROR");
  if (is(std::type_identity<c10::IndexError>())) return to(ErrorCode::kBadInput, "INDEX_ERROR");
  if (is(std::type_identity<c10::ValueError>())) return to(ErrorCode::kBadInput, "VALUE_ERROR");
  if (is(std::type_identity<c10::TypeError>())) return to(ErrorCode::kDtype, "TYPE_ERROR");
  if (is(std::type_identity<c10::LinAlgError>())) return to(ErrorCode::kBadInput, "LINALG_ERROR");
  if (is(std::type_identity<c10::NotImplementedError>())) {
    return to(ErrorCode::kUnsupported, "NOT_IMPLEMENTED_ERROR");
  }
  return from_text(text, ErrorCode::kLibtorch, "C10_ERROR");
}

Error from_system(const std::system_error& error) {
  if (error.code() == std::errc::no_such_file_or_directory) {
    return {ErrorCode::kNotFound, error.what(), "NO_SUCH_FILE"};
  }
  if (error.code() == std::errc::not_enough_memory) {
    return {ErrorCode::kOutOfMemory, error.what(), "SYSTEM_ERROR"};
  }
  return {ErrorCode::kInternal, error.what(), "SYSTEM_ERROR"};
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  for (const auto& [known, name] : kNames) {
    if (known == code) return name;
  }
  return "INTERNAL";
}

ErrorCode error_code_from_string(std::string_view name) noexcept {
  for (const auto& [code, known] : kNames) {
    if (known == name) return code;
  }
  return ErrorCode::kInternal;
}

Error current_error() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::Error& error) {
    return from_libtorch(error);
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kOutOfMemory, "out of host memory", "BAD_ALLOC"};
  } catch (const std::system_error& error) {
    return from_system(error);
  } catch (const std::exception& error) {
    return from_text(error.what(), ErrorCode::kInternal, "STD_EXCEPTION");
  } catch (...) {
    return {ErrorCode::kInternal, "an exception of an unknown class", "UNKNOWN_EXCEPTION"};
  }
}

}  // namespace torchsight
