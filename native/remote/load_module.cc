#include "remote/load_module.h"

#ifdef _WIN32
#include "runtime/error.h"
#else
#include "remote/remote_module.h"
#endif

namespace torchsight {

std::shared_ptr<Module> load_module(LoadRequest request, JobContext& context) {
  if (!request.remote()) return load_here(request, context);
#ifdef _WIN32
  throw Error(ErrorCode::kUnsupported, "isolated and sharded modules need a POSIX system");
#else
  return std::make_shared<RemoteModule>(std::move(request), context);
#endif
}

}  // namespace torchsight
