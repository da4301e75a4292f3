// Shapes of what networks on the meta device ask for and libtorch knows in Python only.
#pragma once

namespace torchsight {

/// Registers them, once for the process. No other work than a dry run needs them.
void provide_meta_kernels();

}  // namespace torchsight
