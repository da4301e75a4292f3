#include "remote/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

extern char** environ;

namespace torchsight {
namespace {

constexpr int kChildSocket = 3;  // worker/main.cc expects the channel there
#ifdef __APPLE__
constexpr const char* kLibraryPath = "DYLD_LIBRARY_PATH";
#else
constexpr const char* kLibraryPath = "LD_LIBRARY_PATH";
#endif

std::mutex paths_mutex;
WorkerPaths worker_paths;

// This process's environment with libtorch's folder first in the loader's search path.
std::vector<std::string> child_environment(const std::string& libtorch) {
  std::vector<std::string> variables;
  std::string path(kLibraryPath);
  path.append("=").append(libtorch);
  const size_t name = std::strlen(kLibraryPath) + 1;
  for (char** entry = environ; *entry; ++entry) {
    if (std::strncmp(*entry, path.c_str(), name) == 0) {
      path += ":" + std::string(*entry + name);
    } else {
      variables.emplace_back(*entry);
    }
  }
  variables.push_back(path);
  return variables;
}

#ifdef SOCK_CLOEXEC
constexpr int kSocketType = SOCK_STREAM | SOCK_CLOEXEC;
#else
constexpr int kSocketType = SOCK_STREAM;  // macOS: another thread may spawn in between
#endif

void make_socket_pair(int sockets[2]) {
  if (socketpair(AF_UNIX, kSocketType, 0, sockets) != 0) {
    throw Error(ErrorCode::kWorkerFailed, std::string("no socket pair: ") + std::strerror(errno));
  }
  for (int i = 0; i < 2; ++i) {
    fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
    const int on = 1;
    setsockopt(sockets[i], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  }
}

int spawn(const WorkerPaths& paths, int socket) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // stdout belongs to the program's results; what a worker prints is for people.
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, socket, kChildSocket);
  std::vector<std::string> variables = child_environment(paths.libtorch);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string executable = paths.executable;
  char* arguments[] = {executable.data(), nullptr};
  pid_t pid = -1;
  const int failure =
      posix_spawn(&pid, executable.c_str(), &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    throw Error(ErrorCode::kWorkerFailed,
                "cannot start " + executable + ": " + std::strerror(failure));
  }
  return pid;
}

}  // namespace

void set_worker_paths(WorkerPaths paths) {
  std::lock_guard lock(paths_mutex);
  worker_paths = std::move(paths);
}

WorkerProcess::WorkerProcess() {
  WorkerPaths paths;
  {
    std::lock_guard lock(paths_mutex);
    paths = worker_paths;
  }
  int sockets[2];
  make_socket_pair(sockets);
  // dup2 onto itself would keep the close-on-exec flag.
  const int theirs = fcntl(sockets[1], F_DUPFD_CLOEXEC, kChildSocket + 1);
  close(sockets[1]);
  channel_ = std::make_unique<Channel>(sockets[0]);
  try {
    pid_ = spawn(paths, theirs);
  } catch (...) {
    close(theirs);
    throw;
  }
  close(theirs);
  reader_ = std::thread(&WorkerProcess::read, this);
}

WorkerProcess::~WorkerProcess() {
  kill();
  reader_.join();
}

int64_t WorkerProcess::request(Json body, const SharedTensors* tensors, Replies replies) {
  int64_t id;
  {
    std::lock_guard lock(mutex_);
    if (!alive_) throw Error(ErrorCode::kWorkerFailed, "the worker " + fate_);
    id = next_++;
    open_.emplace(id, std::move(replies));
  }
  body.set("id", id);
  channel_->send(std::move(body), tensors);  // a failure shows on the reader's side
  return id;
}

void WorkerProcess::cancel(int64_t request) {
  channel_->send(Json(Json::Object{{"kind", "cancel"}, {"id", request}}));
}

void WorkerProcess::item_taken(int64_t request) {
  channel_->send(Json(Json::Object{{"kind", "itemTaken"}, {"id", request}}));
}

void WorkerProcess::kill() noexcept {
  std::lock_guard lock(mutex_);
  if (alive_) ::kill(pid_, SIGKILL);  // also ends a stopped process
}

std::string WorkerProcess::fate() const {
  std::lock_guard lock(mutex_);
  return fate_;
}

void WorkerProcess::read() {
  try {
    while (auto message = channel_->receive()) dispatch(std::move(*message));
  } catch (...) {
    kill();  // a worker that sends nonsense is as good as dead
  }
  reap();
}

void WorkerProcess::dispatch(Message message) {
  const int64_t id = message.body.at("id").as_int();
  const std::string kind = message.body.at("kind").as_string();
  Replies replies;
  {
    std::lock_guard lock(mutex_);
    auto found = open_.find(id);
    if (found == open_.end()) return;
    replies = found->second;
    if (kind == "end") open_.erase(found);
  }
  if (kind == "progress") {
    if (replies.progress) replies.progress(message.body);
  } else if (kind == "item") {
    if (replies.item) replies.item(std::move(message.tensors));
  } else if (const Json* error = message.body.find("error")) {
    Error failure(error_code_from_string(error->at("code").as_string()),
                  error->at("message").as_string(), error->get("reason", ""));
    replies.end({}, std::move(failure));
  } else {
    replies.end(std::move(message), std::nullopt);
  }
}

// The channel has closed: the process is gone, or about to go.
void WorkerProcess::reap() {
  ::kill(pid_, SIGKILL);
  siginfo_t ended;
  while (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  int status = 0;
  std::unordered_map<int64_t, Replies> open;
  {
    // The process number is given back under the lock, so that `kill` cannot hit another's.
    std::lock_guard lock(mutex_);
    waitpid(pid_, &status, 0);
    fate_ = WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                : "ended with status " + std::to_string(WEXITSTATUS(status));
    alive_ = false;
    open.swap(open_);
  }
  for (auto& [id, replies] : open) {
    replies.end({}, Error(ErrorCode::kWorkerFailed, "the worker " + fate_));
  }
}

}  // namespace torchsight
