#include "distributed/rendezvous/tcp_store.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <map>
#include <mutex>

#include "distributed/rendezvous/listener.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

struct Served {
  std::mutex mutex;
  std::map<std::string, c10::intrusive_ptr<c10d::Store>> by_endpoint;
};

// Never destroyed: other ranks may still look at a store while this process exits.
Served& served() {
  static auto* all = new Served;
  return *all;
}

// What c10d logs of its sockets, with traces of the C++ stack, is thrown as well. Programs that
// want to read it set the variable.
void quieten() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = ::c10::GLOG_FATAL;
}

c10::intrusive_ptr<c10d::Store> connect(const Endpoint& endpoint, bool serve,
                                        const Patience& patience) {
  quieten();
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(endpoint.port);
  options.waitWorkers = false;
  options.isServer = serve;
  std::string host = endpoint.host;
  if (serve) {
    options.masterListenFd = listen_at(endpoint);
    host = is_loopback(host) ? host : "127.0.0.1";
  } else {
    await_listener(endpoint, patience);
  }
  options.timeout = std::max(patience.left(), std::chrono::milliseconds{1});
  patience.now_for("an answer of the store, which something else than rank 0 may have taken");
  try {
    return c10::make_intrusive<c10d::TCPStore>(host, options);
  } catch (const std::exception&) {
    throw Error(ErrorCode::kRendezvous, "expected the store of rank 0 at " + endpoint.text() +
                                            " but what listens there does not answer as one: "
                                            "choose another MASTER_PORT for all ranks");
  }
}

}  // namespace

c10::intrusive_ptr<c10d::Store> make_tcp_store(const Endpoint& endpoint, bool serve,
                                               const Patience& patience) {
  if (!serve) return connect(endpoint, serve, patience);
  std::lock_guard lock(served().mutex);
  auto& store = served().by_endpoint[endpoint.text()];
  if (!store) store = connect(endpoint, serve, patience);
  return store;
}

}  // namespace torchsight
