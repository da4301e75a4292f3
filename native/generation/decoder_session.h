// A cache that lives between calls.
#pragma once

#include <memory>

#include "generation/prompt.h"

namespace torchsight {

/// A session that keeps the cache between calls: `prefill` reads prompts, `step` reads further
/// tokens, `generate` continues the texts. Option `max_length`: tokens of a row at most.
std::unique_ptr<Session> open_decoder_session(Decoder& decoder, std::vector<TensorSpec> inputs,
                                              ReadPrompt read, const Json& options);

}  // namespace torchsight
