// How many threads one operator may use.
#pragma once

namespace torchsight {

/// Sets the number for the calling thread now and for every thread of a lane from its next job on.
void set_intraop_threads(int threads);

/// What was set, or libtorch's own choice.
int intraop_threads();

/// Brings the calling thread up to date: libtorch's setting acts on one thread at a time.
void apply_intraop_threads();

}  // namespace torchsight
