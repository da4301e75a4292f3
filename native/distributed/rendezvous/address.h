// Names, interfaces and addresses: where a rank is reached by the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchsight {

struct Endpoint {
  std::string host;  // a name or an address
  int64_t port = 0;

  std::string text() const { return host + ":" + std::to_string(port); }
};

/// The numeric addresses of a name, IPv4 first; none where it is unknown.
std::vector<std::string> addresses_of(const std::string& host);

bool is_loopback(const std::string& address);

/// The address on which this rank is to listen for the others.
///
/// `wanted` is an interface or an address of this machine. Where it is empty, the address is taken
/// that packets to `master` leave from: the interface on the way to the other ranks, and loopback
/// only where the master is loopback itself. Names of hosts are not trusted with this, since many
/// machines resolve their own to loopback.
///
/// Throws `Error(kRendezvous)` for what is not of this machine, and for loopback where `master` is
/// another machine.
std::string listening_address(const std::string& wanted, const Endpoint& master);

/// Alike for two processes if, and only if, loopback leads from one to the other: the booted system
/// and the network namespace.
std::string network_of_this_process();

}  // namespace torchsight
