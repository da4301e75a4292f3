// A session whose calls run one after the other: the same for the addon and for the worker.
#pragma once

#include <memory>

#include "runtime/gate.h"
#include "runtime/module.h"

namespace torchsight {

/// A session with the gate that puts its calls one after the other. Whoever waits at it can be
/// cancelled.
class SharedSession {
 public:
  SharedSession(std::shared_ptr<Module> module, std::unique_ptr<Session> session)
      : module_(std::move(module)), session_(std::move(session)) {}

  NamedTensors call(const std::string& method, Call& call, JobContext& context);
  NamedTensors snapshot(JobContext& context);
  void restore(const NamedTensors& state, JobContext& context);
  Json describe() const { return session_->describe(); }
  const Session& session() const { return *session_; }
  at::Device device() const noexcept { return module_->device(); }

 private:
  std::shared_ptr<Module> module_;  // outlives its session
  std::unique_ptr<Session> session_;
  Gate turn_;
};

}  // namespace torchsight
