// torchsight-worker: started by a process that wants a module outside of itself. The channel is
// file descriptor 3; when it closes, the worker ends.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/memory.h"
#include "worker/server.h"

int main() {
  constexpr int kSocket = 3;
  struct stat status {};
  if (fstat(kSocket, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    std::fputs("torchsight-worker is started by torchsight, not by hand\n", stderr);
    return 2;
  }
  torchsight::install_allocator();
  torchsight::Server(kSocket).run();
  // Jobs and collectives may be in flight: leave without running destructors under them.
  _exit(0);
}
