// Ranks that are processes, each with a card of its own, joined by NCCL.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "distributed/group.h"

namespace torchsight {

/// Throws `Error(kUnsupported)` where torchsight_cuda is not there.
void require_nccl();

/// Joins the cards of ranks that `host`, a group over Gloo, has joined already: tensors on cards
/// travel by NCCL, those on hosts by `host`, so that the flags which ranks agree on need not wait
/// for the cards. Collectives on cards go on after their transfer was awaited; `Group::finish`
/// waits for them. A rank that is lost is noticed by Gloo at once, by NCCL at its timeout, and ends
/// no other process. `device` is the card of this rank; the ranks meet at `store`.
///
/// Throws `Error(kUnsupported)` where torchsight_cuda is not there, `Error(kRendezvous)` where the
/// ranks do not meet.
std::shared_ptr<Group> make_nccl_group(c10::intrusive_ptr<c10d::Store> store,
                                       std::shared_ptr<Group> host,
                                       std::chrono::milliseconds timeout, at::Device device);

}  // namespace torchsight
