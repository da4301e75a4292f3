// From what a launcher told this process to the group that it computes with.
#pragma once

#include <memory>

#include "distributed/group.h"
#include "distributed/rendezvous/address.h"
#include "io/json.h"
#include "runtime/job.h"

namespace torchsight {

/// A `JoinRequest` of lib/native/addon.ts, parsed.
struct Launch {
  int64_t rank = 0;  // among all processes of the launcher
  int64_t size = 1;
  int64_t together = 1;    // so many consecutive ranks compute one module
  int64_t local_rank = 0;  // among those of this machine
  Endpoint master;
  bool serves = false;  // whether this process is to serve the store at `master`
  int64_t attempt = 0;  // as `Seat::attempt`
  std::string listen;   // an interface or an address; empty: the way to the master
  std::chrono::milliseconds timeout{30'000};             // to meet
  std::chrono::milliseconds collective_timeout{30'000};  // of each collective afterwards
  Json alike;                                            // as `Seat::alike`
  at::Device device = at::kCPU;  // of this rank; a card joins the others' by NCCL as well

  /// Throws `Error(kBadInput)` where a field is missing or of the wrong type, and
  /// `Error(kRendezvous)` for numbers that make no group.
  static Launch from_json(const Json& json);
};

/// This rank's end of a group, twice: the collectives of `patient` wait for ranks that are long at
/// work after all have read their weights, such as packing them, and fail all the same once one is
/// lost.
struct JoinedGroup {
  std::shared_ptr<Group> group;
  std::shared_ptr<Group> patient;
  /// The ranks of other processes that hold the same part of the module, for training; null: none.
  std::shared_ptr<Group> replicas = {};
};

/// Meets the other ranks of the launcher and joins those of this process's module; null where there
/// are none. The device is free for other jobs meanwhile. Throws `Error(kRendezvous)` on all
/// ranks where they do not fit together, or some do not come within the timeout, and
/// `Error(kUnsupported)` on platforms without Gloo.
JoinedGroup join(const Launch& launch, JobContext& context);

}  // namespace torchsight
