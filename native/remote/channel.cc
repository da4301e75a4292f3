#include "remote/channel.h"

#include <ATen/ATen.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr int64_t kAlignment = 64;
constexpr uint32_t kMaxText = 1u << 30;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // macOS: SO_NOSIGPIPE is set on the socket
#endif

// A worker that another thread starts meanwhile would keep the memory of a message for good.
#ifdef MSG_CMSG_CLOEXEC
constexpr int kReceiveFlags = MSG_WAITALL | MSG_CMSG_CLOEXEC;
#else
constexpr int kReceiveFlags = MSG_WAITALL;
#endif

// What goes before the text of every message. The descriptor of the shared memory, if there is one,
// rides on it.
struct Prefix {
  uint32_t text_bytes = 0;
  uint32_t has_memory = 0;
};

int64_t aligned(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

int make_shared_memory(int64_t bytes) {
#ifdef __linux__
  const int fd = memfd_create("torchsight", MFD_CLOEXEC);
#else
  const std::string name = "/torchsight-" + std::to_string(getpid()) + "-" +
                           std::to_string(reinterpret_cast<uintptr_t>(&bytes) ^ clock());
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) shm_unlink(name.c_str());
#endif
  if (fd < 0 || ftruncate(fd, bytes) != 0) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) close(fd);
    throw Error(ErrorCode::kOutOfMemory,
                "no shared memory of " + std::to_string(bytes) + " bytes: " + why);
  }
  return fd;
}

// A mapping that the tensors made from it keep alive.
std::shared_ptr<void> map(int fd, size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    throw Error(ErrorCode::kOutOfMemory, "shared memory cannot be mapped");
  }
  return {memory, [bytes](void* mapped) { munmap(mapped, bytes); }};
}

NamedTensors map_tensors(int fd, const Json& layout) {
  struct stat status {};
  if (fstat(fd, &status) != 0) throw Error(ErrorCode::kInternal, "shared memory is gone");
  const int64_t size = status.st_size;
  const std::shared_ptr<void> memory = map(fd, static_cast<size_t>(size));
  NamedTensors tensors;
  for (const Json& entry : layout.as_array("tensors")) {
    const auto dtype = dtype_from_name(entry.at("dtype").as_string());
    const std::vector<int64_t> shape = entry.at("shape").as_ints();
    const int64_t offset = entry.at("offset").as_int();
    const int64_t bytes =
        c10::multiply_integers(shape) * static_cast<int64_t>(c10::elementSize(dtype));
    if (offset < 0 || bytes > size - offset) {
      throw Error(ErrorCode::kInternal, "a tensor lies outside its shared memory");
    }
    tensors.emplace_back(entry.at("name").as_string(),
                         at::from_blob(
                             static_cast<char*>(memory.get()) + offset, shape, [memory](void*) {},
                             at::TensorOptions(dtype)));
  }
  return tensors;
}

bool send_all(int socket, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = ::send(socket, data, bytes, kSendFlags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::recv(socket, data, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool send_prefix(int socket, Prefix prefix, int fd) {
  iovec part{&prefix, sizeof prefix};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, kSendFlags);
  } while (sent < 0 && errno == EINTR);
  return sent == sizeof prefix;
}

// Returns the descriptor that came along, or -1; nothing where the other side is gone.
std::optional<int> receive_prefix(int socket, Prefix& prefix) {
  iovec part{&prefix, sizeof prefix};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do {
    got = recvmsg(socket, &message, kReceiveFlags);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof prefix) return std::nullopt;
  int fd = -1;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return fd;
}

}  // namespace

Descriptor::~Descriptor() {
  reset(-1);
}

void Descriptor::reset(int fd) noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

SharedTensors::SharedTensors(const NamedTensors& tensors) : layout_(Json::Array{}) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    Json shape(Json::Array{});
    for (int64_t size : tensor.sizes()) shape.push_back(size);
    Json entry(Json::Object{});
    entry.set("name", name)
        .set("dtype", std::string(dtype_name(tensor.scalar_type())))
        .set("shape", std::move(shape))
        .set("offset", bytes);
    layout_.push_back(std::move(entry));
    bytes += aligned(static_cast<int64_t>(tensor.nbytes()));
  }
  const auto size = static_cast<size_t>(std::max(bytes, kAlignment));
  memory_.reset(make_shared_memory(static_cast<int64_t>(size)));
  const std::shared_ptr<void> memory = map(fd(), size);
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    at::from_blob(static_cast<char*>(memory.get()) + offset, tensor.sizes(),
                  at::TensorOptions(tensor.scalar_type()))
        .copy_(tensor.detach());
    offset += aligned(static_cast<int64_t>(tensor.nbytes()));
  }
}

Channel::~Channel() {
  close(socket_);
}

bool Channel::send(Json body, const SharedTensors* tensors) {
  if (tensors) body.set("tensors", tensors->layout());
  const std::string text = body.dump();
  const Prefix prefix{static_cast<uint32_t>(text.size()), tensors ? 1u : 0u};
  std::lock_guard lock(sending_);
  return send_prefix(socket_, prefix, tensors ? tensors->fd() : -1) &&
         send_all(socket_, text.data(), text.size());
}

bool Channel::send(Json body, const NamedTensors& tensors) {
  if (tensors.empty()) return send(std::move(body));
  const SharedTensors shared(tensors);
  return send(std::move(body), &shared);
}

std::optional<Message> Channel::receive() {
  Prefix prefix;
  const std::optional<int> fd = receive_prefix(socket_, prefix);
  if (!fd) return std::nullopt;
  const Descriptor memory(*fd);
  if (prefix.text_bytes > kMaxText) return std::nullopt;
  std::string text(prefix.text_bytes, '\0');
  if (!receive_all(socket_, text.data(), text.size())) return std::nullopt;
  Message message;
  message.body = Json::parse(text, "message");
  if (memory.get() >= 0) {
    message.tensors = map_tensors(memory.get(), message.body.at("tensors"));
  }
  return message;
}

void Channel::shut_down() noexcept {
  shutdown(socket_, SHUT_RDWR);
}

}  // namespace torchsight
