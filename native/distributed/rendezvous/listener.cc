#include "distributed/rendezvous/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr int kBacklog = 4096;  // ranks that come at once
constexpr std::chrono::milliseconds kAttempt{1000};

class Socket {
 public:
  explicit Socket(int family) : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// 0, or why there is no connection.
int try_to_connect(const addrinfo& to, const Patience& patience) {
  const Socket socket(to.ai_family);
  if (socket.get() < 0) return errno;
  fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  if (connect(socket.get(), to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd wait{socket.get(), POLLOUT, 0};
  const auto limit = std::min(patience.left(), kAttempt);
  if (poll(&wait, 1, static_cast<int>(limit.count())) <= 0) return ETIMEDOUT;
  int failure = 0;
  socklen_t length = sizeof failure;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &length);
  return failure;
}

std::string reason_of(int failure) {
  if (failure == ECONNREFUSED) return "nothing listens there";
  if (failure == ETIMEDOUT) return "nothing answers there";
  return std::strerror(failure);
}

bool listens(const Socket& socket, const sockaddr* address, socklen_t length) {
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return bind(socket.get(), address, length) == 0 && listen(socket.get(), kBacklog) == 0;
}

}  // namespace

void await_listener(const Endpoint& endpoint, const Patience& patience) {
  std::string reason;
  do {
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    patience.now_for("a name server to tell the master's address");
    // Again each time: names of a cluster appear with the processes that they belong to.
    const int unknown =
        getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
    if (unknown) reason = std::string("the name is unknown: ") + gai_strerror(unknown);
    bool connected = false;
    for (const addrinfo* entry = list; entry && !connected; entry = entry->ai_next) {
      const int failure = try_to_connect(*entry, patience);
      connected = failure == 0;
      if (!connected) reason = reason_of(failure);
    }
    if (list) freeaddrinfo(list);
    if (connected) return;
    patience.pause();
  } while (!patience.over());
  throw Error(ErrorCode::kRendezvous,
              "expected rank 0 at " + endpoint.text() + " within " +
                  std::to_string(patience.limit().count()) + " ms but " + reason +
                  ": is it started, are the master's address and port right, is the port open "
                  "between the machines?");
}

int listen_at(const Endpoint& endpoint) {
  const bool loopback = endpoint.host == "localhost" || is_loopback(endpoint.host);
  const auto port = htons(static_cast<uint16_t>(endpoint.port));
  if (!loopback || endpoint.host == "::1") {
    Socket socket(AF_INET6);
    const int off = 0;
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = port;
    address.sin6_addr = loopback ? in6addr_loopback : in6addr_any;
    if (listens(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)) {
      return socket.release();
    }
  }
  Socket socket(AF_INET);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = port;
  // Loopback is a whole network of addresses, of which the others look for the one they were given.
  if (!loopback || inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) != 1) {
    address.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
  }
  if (listens(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)) {
    return socket.release();
  }
  const std::string reason = errno == EADDRINUSE
                                 ? "another program, or another process that is rank 0, has it"
                                 : std::strerror(errno);
  throw Error(ErrorCode::kRendezvous, "rank 0 cannot listen at port " +
                                          std::to_string(endpoint.port) + ": " + reason +
                                          ". Choose another MASTER_PORT for all ranks");
}

}  // namespace torchsight
