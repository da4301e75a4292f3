// Both ends of the master's port.
#pragma once

#include "distributed/rendezvous/address.h"
#include "distributed/rendezvous/patience.h"

namespace torchsight {

/// Returns once something accepts connections at `endpoint`. Throws `Error(kRendezvous)` where
/// patience ends before.
void await_listener(const Endpoint& endpoint, const Patience& patience);

/// A socket that listens at the endpoint's port: on loopback alone where its host is loopback, else
/// on all interfaces. Throws `Error(kRendezvous)` where the port is taken or not allowed.
int listen_at(const Endpoint& endpoint);

}  // namespace torchsight
