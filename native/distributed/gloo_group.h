// Ranks that are processes, joined by Gloo.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <string>

#include "distributed/group.h"

namespace torchsight {

struct GlooOptions {
  int64_t rank = 0;
  int64_t size = 1;
  std::string host = "127.0.0.1";  // the address that this rank listens on
  std::chrono::milliseconds timeout{30'000};
};

/// Connects the ranks that meet at `store`. Throws `Error(kRendezvous)` where they do not within
/// the timeout, and `Error(kUnsupported)` on platforms without Gloo.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(c10::intrusive_ptr<c10d::Store> store,
                                                    const GlooOptions& options);

/// As `make_gloo_backend`, as a group with the same timeout.
std::shared_ptr<Group> make_gloo_group(c10::intrusive_ptr<c10d::Store> store,
                                       const GlooOptions& options);

/// A store in a file that all ranks can reach; it must not exist before the first one comes.
c10::intrusive_ptr<c10d::Store> make_file_store(const std::string& path, int64_t size,
                                                std::chrono::milliseconds timeout);

}  // namespace torchsight
