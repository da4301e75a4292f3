// Serves one module to the process at the other end of a channel.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "remote/channel.h"
#include "runtime/lane.h"
#include "runtime/module.h"
#include "runtime/shared_session.h"

namespace torchsight {

class Server {
 public:
  explicit Server(int socket) : channel_(std::make_shared<Channel>(socket)) {}

  /// Answers requests until the other side is gone.
  void run();

 private:
  using Work = std::function<Message(JobContext&)>;

  void dispatch(Message request);
  /// The work that a request asks for. Throws `Error` for requests that make no sense.
  Work work_for(Message request);
  void submit(int64_t id, const std::string& kind, Work work);
  std::shared_ptr<Module> module();
  std::shared_ptr<Group> group();
  std::shared_ptr<SharedSession> session(const Json& body);
  Message load(const Json& body, JobContext& context);
  Message open_session(const Json& body);

  std::shared_ptr<Channel> channel_;
  std::atomic<bool> sharded_ = false;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<Module> module_;
  std::shared_ptr<Group> group_;            // null: one rank alone
  std::chrono::milliseconds collective_{};  // how long collectives may take
  std::unordered_map<int64_t, std::shared_ptr<SharedSession>> sessions_;
  std::unordered_map<int64_t, std::shared_ptr<Job>> jobs_;
};

}  // namespace torchsight
