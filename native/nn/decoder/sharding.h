// What is cut where when ranks compute one decoder together.
#pragma once

#include "nn/decoder/config.h"
#include "nn/tensor_parallel.h"

namespace torchsight {

/// The stream is whole on every rank, since a step of decoding has one token: two sums over the
/// ranks in each layer.
///
/// | tensor                             | rank r of T holds                                      |
/// |------------------------------------|--------------------------------------------------------|
/// | q weight and bias                  | rows of heads r H/T ...                                |
/// | k, v weights and biases            | rows of the K/T heads of its queries; where K < T, of  |
/// |                                    | the one that its queries share with other ranks        |
/// | o weight                           | columns of its heads                                   |
/// | gate, up weights                   | rows r F/T ...                                         |
/// | down weight                        | columns of the same hidden units                       |
/// | table, and head where there is one | rows r V/T ... where V divides, else whole             |
/// | norms, o bias                      | whole                                                  |
struct DecoderShare {
  TensorParallel ranks;
  DecoderConfig full;
  /// As if it were a model by itself: the heads, hidden units and vocabulary that this rank holds.
  DecoderConfig own;
  std::optional<Cut> kv_heads;  // of k and v in heads; none for a rank alone

  /// Throws `Error(kBadConfig)` where heads or hidden units do not divide by the ranks.
  DecoderShare(const DecoderConfig& config, const ModuleOptions& options);

  bool cuts_vocabulary() const { return own.vocabulary < full.vocabulary; }
};

}  // namespace torchsight
