// Ranks that are processes, each with a card of its own, joined by NCCL.
#pragma once

#include "distributed/gloo_group.h"

namespace torchsight {

/// Joins the ranks that meet at `store`: tensors on cards by NCCL, those on hosts by Gloo, so that
/// the flags which ranks agree on need not wait for the cards. Collectives on cards go on after
/// their transfer was awaited; `Group::finish` waits for them. A rank that is lost is noticed by
/// Gloo at once, by NCCL at its timeout, and ends no other process.
///
/// Throws `Error(kUnsupported)` where torchsight_cuda is not there, `Error(kRendezvous)` where the
/// ranks do not meet.
std::shared_ptr<Group> make_nccl_group(c10::intrusive_ptr<c10d::Store> store,
                                       const GlooOptions& options, at::Device device);

}  // namespace torchsight
