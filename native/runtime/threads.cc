#include "runtime/threads.h"

#include <ATen/Parallel.h>

#include <atomic>

namespace torchsight {
namespace {

std::atomic<int> wanted_threads{0};

}  // namespace

void set_intraop_threads(int threads) {
  wanted_threads = threads;
}

void keep_to_one_thread() {
  // Asked once, a thread no longer takes over what was set last anywhere.
  at::get_num_threads();
  at::set_num_threads(1);
}

int intraop_threads() {
  const int wanted = wanted_threads;
  return wanted > 0 ? wanted : at::intraop_default_num_threads();
}

void apply_intraop_threads() {
  thread_local int applied = 0;
  const int wanted = intraop_threads();
  if (applied == wanted) return;
  at::set_num_threads(wanted);
  applied = wanted;
}

}  // namespace torchsight
