// The store at which the ranks of a launcher meet.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "distributed/rendezvous/address.h"
#include "distributed/rendezvous/patience.h"

namespace torchsight {

/// The TCP store of c10d at `endpoint`, which this process serves if `serve`: then for as long as
/// it lives, since later groups of the same ranks meet there as well. It has neither a password nor
/// encryption: whoever reaches the port can disturb the ranks.
///
/// Throws `Error(kRendezvous)` where it cannot be reached or served. May never return where
/// something else than a store listens there: call it on a thread that can be left behind.
c10::intrusive_ptr<c10d::Store> make_tcp_store(const Endpoint& endpoint, bool serve,
                                               const Patience& patience);

}  // namespace torchsight
