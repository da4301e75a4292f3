#include "distributed/rendezvous/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "runtime/error.h"

namespace torchsight {
namespace {

bool has_numbers(const sockaddr* address) {
  return address && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

std::string text_of(const sockaddr* address) {
  const socklen_t length =
      address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  char host[NI_MAXHOST] = "";
  getnameinfo(address, length, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return host;
}

struct Interface {
  std::string name, address;
};

std::vector<Interface> interfaces() {
  std::vector<Interface> found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return found;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0 || !has_numbers(entry->ifa_addr)) continue;
    found.push_back({entry->ifa_name, text_of(entry->ifa_addr)});
  }
  freeifaddrs(list);
  // IPv4 first: it is what most clusters route.
  std::stable_partition(found.begin(), found.end(), [](const Interface& one) {
    return one.address.find(':') == std::string::npos;
  });
  return found;
}

bool is_here(const std::string& address) {
  const auto all = interfaces();
  return is_loopback(address) || std::any_of(all.begin(), all.end(), [&](const Interface& one) {
           return one.address == address;
         });
}

/// False where the name of the master is not known (yet).
bool is_elsewhere(const Endpoint& master) {
  const auto addresses = addresses_of(master.host);
  return !addresses.empty() && std::none_of(addresses.begin(), addresses.end(), is_here);
}

std::string address_named(const std::string& wanted) {
  const auto all = interfaces();
  for (const Interface& one : all) {
    if (one.name == wanted) return one.address;
  }
  for (const std::string& address : addresses_of(wanted)) {
    if (is_here(address)) return address;
  }
  std::string known;
  for (const Interface& one : all) {
    known += (known.empty() ? "" : ", ") + one.name + " " + one.address;
  }
  throw Error(ErrorCode::kRendezvous,
              "expected an interface or an address of this machine to listen on (" + known +
                  ") but received \"" + wanted + "\"");
}

// Connecting a datagram socket sends nothing: it only asks the routing table.
std::string address_towards(const Endpoint& master) {
  for (const std::string& to : addresses_of(master.host)) {
    sockaddr_storage place{};
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&place);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&place);
    if (inet_pton(AF_INET, to.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(static_cast<uint16_t>(master.port));
    } else if (inet_pton(AF_INET6, to.c_str(), &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(static_cast<uint16_t>(master.port));
    } else {
      continue;  // link-local: of no use without its interface
    }
    auto* const address = reinterpret_cast<sockaddr*>(&place);
    const int socket = ::socket(place.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) continue;
    socklen_t length = sizeof place;
    const bool known = connect(socket, address, length) == 0 &&
                       getsockname(socket, address, &length) == 0 && has_numbers(address);
    close(socket);
    if (known) return text_of(address);
  }
  throw Error(ErrorCode::kRendezvous,
              "this machine has no way to the master " + master.text() +
                  ": set GLOO_SOCKET_IFNAME to the interface that leads to the other ranks");
}

}  // namespace

std::vector<std::string> addresses_of(const std::string& host) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  std::vector<std::string> found;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return found;
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    if (has_numbers(entry->ai_addr)) found.push_back(text_of(entry->ai_addr));
  }
  freeaddrinfo(list);
  std::stable_partition(found.begin(), found.end(), [](const std::string& address) {
    return address.find(':') == std::string::npos;
  });
  return found;
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return address == "::1";
}

std::string listening_address(const std::string& wanted, const Endpoint& master) {
  const std::string address = wanted.empty() ? address_towards(master) : address_named(wanted);
  if (is_loopback(address) && is_elsewhere(master)) {
    throw Error(ErrorCode::kRendezvous,
                "expected an address that other machines can reach, since the master is " +
                    master.text() + ", but " + address +
                    " is loopback: set GLOO_SOCKET_IFNAME to the interface that leads there");
  }
  return address;
}

std::string network_of_this_process() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code none;
  const auto network = std::filesystem::read_symlink("/proc/self/ns/net", none);
  if (!boot.empty() && !none) return boot + " " + network.string();
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace torchsight
