// The one translation unit that sees ProcessGroupGloo, compiled against the stubs in gloo_stubs/.
#include "distributed/gloo_group.h"

#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include "distributed/c10d_group.h"
#include "runtime/error.h"

#ifdef __linux__
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

namespace torchsight {

#ifdef __linux__

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(c10::intrusive_ptr<c10d::Store> store,
                                                    const GlooOptions& options) {
  try {
    auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
    // By address: on hosts whose name resolves to loopback Gloo would publish that silently.
    gloo->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(options.host)};
    return c10::make_intrusive<c10d::ProcessGroupGloo>(
        std::move(store), static_cast<int>(options.rank), static_cast<int>(options.size), gloo);
  } catch (const std::exception&) {
    throw Error(ErrorCode::kRendezvous, "rank " + std::to_string(options.rank) + " of " +
                                            std::to_string(options.size) +
                                            " did not meet the others: " + current_error().what());
  }
}

#else

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(c10::intrusive_ptr<c10d::Store>,
                                                    const GlooOptions&) {
  throw Error(ErrorCode::kUnsupported, "Gloo groups need Linux: libtorch exports Gloo only there");
}

#endif

std::shared_ptr<Group> make_gloo_group(c10::intrusive_ptr<c10d::Store> store,
                                       const GlooOptions& options) {
  return make_c10d_group(make_gloo_backend(std::move(store), options), options.timeout);
}

c10::intrusive_ptr<c10d::Store> make_file_store(const std::string& path, int64_t size,
                                                std::chrono::milliseconds timeout) {
  auto store = c10::make_intrusive<c10d::FileStore>(path, static_cast<int>(size));
  store->setTimeout(timeout);  // it polls so long before it gives up
  return store;
}

}  // namespace torchsight
