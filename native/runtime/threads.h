// How many threads one operator may use.
#pragma once

namespace torchsight {

/// Sets the number for every thread of a lane from its next job on.
void set_intraop_threads(int threads);

/// Has operators that the calling thread runs itself use no other thread. For the threads of
/// JavaScript: with a second team of OpenMP's in the process, libgomp lets all threads sleep
/// between parallel regions rather than wait for them, and jobs of many small regions, such as the
/// steps of a decoder, take nearly twice as long.
void keep_to_one_thread();

/// What was set, or libtorch's own choice.
int intraop_threads();

/// Brings the calling thread up to date: libtorch's setting acts on one thread at a time.
void apply_intraop_threads();

}  // namespace torchsight
