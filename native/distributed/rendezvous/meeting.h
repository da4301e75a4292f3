// How the ranks of a launcher find out that they fit together, before they form a group.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <string>

#include "distributed/rendezvous/patience.h"
#include "io/json.h"

namespace torchsight {

/// What one rank brings to the meeting.
struct Seat {
  int64_t rank = 0;
  int64_t size = 1;
  std::string address;  // that it listens on
  std::string network;  // as `network_of_this_process`
  Json alike;           // an object whose members must be the same texts on all ranks
  bool serves = false;  // whether the store ends with this process
  /// How often the launcher has started all ranks before. A store that outlives them has what they
  /// left in it when they were ended in the middle of their meeting.
  int64_t attempt = 0;
};

/// Returns once all ranks have come: a store for them alone, the same for all, with nothing in it.
///
/// The first to come looks at what each brings and tells all others what it found, so that all hear
/// the same. Throws `Error(kRendezvous)` on every rank that has come where one is missing when the
/// first patience ends, two are equal, sizes differ, what must be alike is not, or one listens on
/// loopback and another is elsewhere.
c10::intrusive_ptr<c10d::Store> meet(const c10::intrusive_ptr<c10d::Store>& store, const Seat& seat,
                                     Patience patience);

}  // namespace torchsight
