#include "distributed/rendezvous/meeting.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <vector>

#include "distributed/rendezvous/address.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

using Store = c10::intrusive_ptr<c10d::Store>;
using std::chrono::milliseconds;

// Counts the meetings of an attempt that have ended: each has keys of its own.
constexpr const char* kMeeting = "torchsight/meeting/";
constexpr const char* kTickets = "tickets";
constexpr const char* kVerdict = "verdict";
constexpr const char* kReaders = "readers";

// How long ranks that come late may still hear of a fault that was found.
constexpr milliseconds kLinger{1000};
// How much longer than the first one the others wait for its verdict.
constexpr milliseconds kGrace{500};

std::string record_key(size_t ticket) {
  return "record/" + std::to_string(ticket);
}

std::string name_of(const Seat& seat) {
  return "rank " + std::to_string(seat.rank);
}

std::string record_of(const Seat& seat, const Patience& patience) {
  Json record(Json::Object{});
  record.set("rank", seat.rank)
      .set("size", seat.size)
      .set("address", seat.address)
      .set("network", seat.network)
      .set("alike", seat.alike)
      .set("left", static_cast<int64_t>(patience.left().count()));
  return record.dump();
}

struct Arrival : Seat {
  milliseconds left;  // until its patience ends
};

// What cannot be read was written by another version, which `alike` would have told of.
Arrival seat_of(const std::string& text) {
  try {
    const Json record = Json::parse(text);
    return {{.rank = record.at("rank").as_int(),
             .size = record.at("size").as_int(),
             .address = record.at("address").as_string(),
             .network = record.at("network").as_string(),
             .alike = Json(record.at("alike").as_object())},
            milliseconds(record.at("left").as_int())};
  } catch (const Error&) {
    return {{.rank = -1}, kLinger};
  }
}

bool reachable(const Seat& from, const Seat& to) {
  return !is_loopback(to.address) || from.network == to.network;
}

/// What keeps `seat` from a group with `other`, or nothing.
std::string fault_between(const Seat& seat, const Seat& other) {
  if (seat.size != other.size) {
    return name_of(other) + " was told of " + std::to_string(other.size) + " ranks and " +
           name_of(seat) + " of " + std::to_string(seat.size) +
           ": give all ranks the same WORLD_SIZE";
  }
  if (seat.rank == other.rank) {
    return "two processes are " + name_of(seat) + " of " + std::to_string(seat.size) +
           ": give each a RANK of its own";
  }
  for (const auto& [name, value] : other.alike.as_object()) {
    const Json* mine = seat.alike.find(name);
    if (mine && mine->dump() == value.dump()) continue;
    const std::string shown = value.dump(), own = mine ? mine->dump() : "none";
    const bool brief = shown.size() + own.size() < 100;
    return name_of(other) + " and " + name_of(seat) + " differ in \"" + name + "\"" +
           (brief ? " (" + shown + ", " + own + ")" : "") + ": run the same on all ranks";
  }
  for (const auto& [from, to] : {std::pair{&seat, &other}, std::pair{&other, &seat}}) {
    if (reachable(*from, *to)) continue;
    return name_of(*to) + " listens on " + to->address + ", where " + name_of(*from) +
           " on another machine cannot reach it: set GLOO_SOCKET_IFNAME to the interface that "
           "leads there";
  }
  return "";
}

/// What is wrong with the last one to come, or nothing.
std::string fault_of(const std::vector<Arrival>& came) {
  const Seat& last = came.back();
  if (last.rank < 0) return "a process of another version of torchsight came: run one version";
  for (size_t i = 0; i + 1 < came.size(); ++i) {
    if (std::string fault = fault_between(last, came[i]); !fault.empty()) return fault;
  }
  return "";
}

std::string missing(const std::vector<Arrival>& came, int64_t size, milliseconds waited) {
  std::string ranks;
  int64_t count = 0;
  for (int64_t rank = 0; rank < size; ++rank) {
    const bool here =
        std::any_of(came.begin(), came.end(), [&](const Arrival& one) { return one.rank == rank; });
    if (here || ++count > 8) continue;
    ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
  }
  if (count > 8) ranks += ", …";
  return std::to_string(count) + " of " + std::to_string(size) + " ranks (" + ranks +
         ") did not come within " + std::to_string(waited.count()) +
         " ms: are they started, with the same MASTER_ADDR and MASTER_PORT?";
}

/// Looks at all who come and returns what is wrong with them, or nothing.
std::string judge(c10d::Store& table, const Seat& seat, Patience& patience) {
  std::vector<Arrival> came;
  std::string fault;
  Patience until = patience;
  while (static_cast<int64_t>(came.size()) < seat.size && !until.over()) {
    if (!table.check({record_key(came.size())})) {
      until.pause();
      continue;
    }
    const std::string record = table.get_to_str(record_key(came.size()));
    came.push_back(seat_of(record));
    // Nobody's patience ends before the verdict.
    until.shorten(came.back().left);
    if (!fault.empty()) continue;
    fault = fault_of(came);
    if (!fault.empty()) until.shorten(kLinger);
  }
  if (!fault.empty() || static_cast<int64_t>(came.size()) >= seat.size) return fault;
  return missing(came, seat.size, patience.limit());
}

std::string await_verdict(c10d::Store& table, const Seat& seat, const Patience& patience) {
  const Patience longer = patience.longer_by(kGrace);
  while (!table.check({kVerdict})) {
    if (longer.over()) {
      return name_of(seat) + " heard nothing of the other ranks within " +
             std::to_string(patience.limit().count()) +
             " ms: the first to come has fallen silent or ended. Start all ranks again";
    }
    longer.pause();
  }
  return table.get_to_str(kVerdict);
}

/// Keeps the store alive until all who came have read the verdict.
void await_readers(c10d::Store& table) {
  Patience patience(kLinger);
  while (table.add(kReaders, 0) < table.add(kTickets, 0) && !patience.over()) patience.pause();
}

}  // namespace

Store meet(const Store& store, const Seat& seat, Patience patience) {
  const std::string ended = kMeeting + std::to_string(seat.attempt);
  const std::string prefix = ended + "/" + std::to_string(store->add(ended, 0));
  const Store table = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
  const int64_t ticket = table->add(kTickets, 1) - 1;
  table->set(record_key(static_cast<size_t>(ticket)), record_of(seat, patience));
  std::string fault;
  if (ticket == 0) {
    fault = judge(*table, seat, patience);
    // Before the verdict: whoever has heard it may go to the next meeting at once.
    store->add(ended, 1);
    table->set(kVerdict, fault);
  } else {
    fault = await_verdict(*table, seat, patience);
  }
  table->add(kReaders, 1);
  if (seat.serves) await_readers(*table);
  if (!fault.empty()) throw Error(ErrorCode::kRendezvous, fault);
  if (ticket >= seat.size) {
    throw Error(ErrorCode::kRendezvous,
                "more than " + std::to_string(seat.size) + " processes came as ranks of " +
                    std::to_string(seat.size) + ": give each a RANK of its own");
  }
  return c10::make_intrusive<c10d::PrefixStore>("group", table);
}

}  // namespace torchsight
