#include "remote/load_module.h"

#include "runtime/threads.h"

#ifdef _WIN32
#include "runtime/error.h"
#else
#include "remote/data_parallel.h"
#include "remote/joined_module.h"
#include "remote/local_ranks.h"
#include "remote/remote_module.h"
#endif

namespace torchsight {

int64_t threads_of_rank(const Json& request) {
  const int64_t ranks = request.get("tensorParallel", 1) * request.get("dataParallel", 1);
  return request.get("threads", std::max<int64_t>(1, intraop_threads() / ranks));
}

#ifdef _WIN32

std::shared_ptr<Module> load_module(LoadRequest request, JobContext& context) {
  if (!request.remote() && !request.joins()) return load_here(request, context);
  throw Error(ErrorCode::kUnsupported, "isolated and sharded modules need a POSIX system");
}

#else

namespace {

std::shared_ptr<Replica> load_replica(const LoadRequest& request, JobContext& context) {
  const int64_t ranks = request.json.get("tensorParallel", 1);
  if (request.json.get("group", "gloo") == "local") {
    return std::make_shared<LocalRanks>(request, ranks, context);
  }
  return std::make_shared<RemoteModule>(request, context);
}

}  // namespace

std::shared_ptr<Module> load_module(LoadRequest request, JobContext& context) {
  if (request.joins()) return std::make_shared<JoinedModule>(std::move(request), context);
  if (!request.remote()) return load_here(request, context);
  const int64_t replicas = request.json.get("dataParallel", 1);
  request.json.set("threads", threads_of_rank(request.json));
  if (replicas == 1) return load_replica(request, context);
  std::vector<std::shared_ptr<Replica>> all;
  for (int64_t r = 0; r < replicas; ++r) {
    request.json.set("replica", r);  // which decides on its cards
    all.push_back(load_replica(request, context));
  }
  return std::make_shared<DataParallel>(std::move(all), request.json.get("tensorParallel", 1));
}

#endif

}  // namespace torchsight
