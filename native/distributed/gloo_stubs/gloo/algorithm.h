// Nothing of Gloo's algorithms is used by name; libtorch's header only includes this file.
#pragma once
