// One error class with a stable code, for everything that can go wrong in the core.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace torchsight {

enum class ErrorCode {
  kUsage,
  kNotFound,
  kBadCheckpoint,
  kBadConfig,
  kBadInput,
  kShape,
  kDtype,
  kUnsupported,
  kCancelled,
  kDeadline,
  kQueueFull,
  kOutOfMemory,
  kRankFailed,
  kCollectiveTimeout,
  kRendezvous,
  kLibtorch,
  kDisposed,
  kTensorBusy,
  kWorkerFailed,
  kDiverged,
  kInternal,
};

/// The code as users see it, e.g. "BAD_CHECKPOINT".
std::string_view to_string(ErrorCode code) noexcept;
/// The inverse of `to_string`; unknown names become `kInternal`.
ErrorCode error_code_from_string(std::string_view name) noexcept;

/// The reason of errors after which this process cannot use its device any more.
inline constexpr std::string_view kDeviceLostReason = "DEVICE_LOST";

class Error : public std::runtime_error {
 public:
  /// `reason` refines the code where one code covers many cases, e.g. "HEADER_TOO_LARGE".
  Error(ErrorCode code, const std::string& message, std::string reason = {})
      : std::runtime_error(message), code_(code), reason_(std::move(reason)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& reason() const noexcept { return reason_; }

 private:
  ErrorCode code_;
  std::string reason_;
};

/// The exception in flight as an `Error`: libtorch's classes and the standard library's are mapped
/// to codes, and libtorch's C++ backtrace is cut off its message. Call inside a catch block.
Error current_error() noexcept;

}  // namespace torchsight
