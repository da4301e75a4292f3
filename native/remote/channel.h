// Messages between this process and one that runs the same core: JSON over a socket pair, tensors
// in shared memory that travels with the message.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "io/json.h"
#include "runtime/tensors.h"

namespace torchsight {

struct Message {
  Json body;
  NamedTensors tensors;
};

/// A file descriptor that is closed with the object; -1 for none.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const noexcept { return fd_; }
  void reset(int fd) noexcept;

 private:
  int fd_;
};

/// Tensors copied once into shared memory, to be sent to any number of processes.
class SharedTensors {
 public:
  /// Throws `Error(kOutOfMemory)` where the system gives no shared memory.
  explicit SharedTensors(const NamedTensors& tensors);

  int fd() const noexcept { return memory_.get(); }
  const Json& layout() const noexcept { return layout_; }

 private:
  Descriptor memory_;
  Json layout_;  // [{name, dtype, shape, offset}]
};

class Channel {
 public:
  explicit Channel(int socket) : socket_(socket) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Returns false where the other side is gone. Safe from any thread.
  bool send(Json body, const SharedTensors* tensors = nullptr);
  bool send(Json body, const NamedTensors& tensors);
  /// The next message; nothing once the other side is gone. The tensors lie in the message's own
  /// mapping, which they keep. One thread at a time.
  std::optional<Message> receive();
  /// Makes `receive` of this side return nothing.
  void shut_down() noexcept;

 private:
  int socket_;
  std::mutex sending_;
};

}  // namespace torchsight
