// A language model of Gemma's family: token table, layers, final norm, and the table again as the
// head (Gemma Team, arXiv 2403.08295 and 2408.00118).
#pragma once

#include <string>
#include <vector>

#include "nn/decoder/layer.h"
#include "nn/encoder.h"

namespace torchsight {

class Decoder {
 public:
  /// Reads of `options.extra`: "weights" ("int8": matrices are kept as 8-bit integers), and what
  /// `DecoderConfig::with` does, and "cuda_graph" (true: a rank alone captures steps once on CUDA).
  /// On a CPU weights of bfloat16 and float16 meet activations of float32. The ranks of a group
  /// share the layers: see `DecoderShare`.
  Decoder(const DecoderConfig& config, const ModuleOptions& options);

  /// Of the whole model, however many ranks hold it.
  const DecoderConfig& config() const { return share_.full; }
  /// Memory for the keys and values that this rank computes.
  KvCache cache(int64_t batch, int64_t capacity) const {
    return {share_.own, batch, capacity, activations_};
  }
  /// A point at which a job may end, on all ranks alike.
  void checkpoint(JobContext& context) const { share_.ranks.checkpoint(context); }
  /// Whether steps are to be read by `FixedSteps`.
  bool fixed_steps() const { return fixed_steps_; }
  /// Of activations, and of the cache.
  at::TensorOptions activations() const { return activations_; }

  /// The table's rows of ids [B, T] of the vocabulary, times sqrt(d): [B, T, d].
  at::Tensor embed(const at::Tensor& ids_BT) const;
  /// Tokens [B, T, d] at `positions_BT` to the same after all layers and the final norm. With a
  /// cache they follow what it holds, and are added to it. Records the taps.
  at::Tensor forward(const at::Tensor& x_BTd, const at::Tensor& positions_BT,
                     const Visibility& visibility, KvCache* cache, Trace& trace);
  /// One token of each row, [B, 1, d], to the same: it is put at `place_1` of the cache, and
  /// `visibility` stands for all of the cache's memory. Nothing is counted.
  at::Tensor forward_at(const at::Tensor& x_B1d, const at::Tensor& positions_B1,
                        const Visibility& visibility, KvCache& cache, const at::Tensor& place_1,
                        Trace& trace);
  /// Rows [R, d] of `forward` to logits [R, V].
  at::Tensor logits(const at::Tensor& x_Rd);

  /// `embeddings`, `blocks.{l}`, `norm`.
  std::vector<std::string> tap_names() const;
  /// Adds the parameters as `prefix`embed_tokens.weight, `prefix`layers.{l}…, and `head`.weight
  /// where the head is not the table.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix,
                      const std::string& head);
  /// To be called once all parameters are filled.
  void loaded();

 private:
  Rotation rotation(const at::Tensor& positions_BT) const;
  at::Tensor through(const at::Tensor& x_BTd, const DecoderPass& pass, Trace& trace);

  DecoderShare share_;
  at::TensorOptions activations_;
  bool quantized_, fixed_steps_;
  double embedding_scale_;
  CompactLinear table_;
  CompactLinear head_;  // where it is not the table
  OffsetNorm norm_;
  std::vector<DecoderLayer> layers_;
};

/// Throws `Error(kBadInput)` for ids that are not in a vocabulary of that size.
void check_ids(const at::Tensor& ids_BT, int64_t vocabulary);

}  // namespace torchsight
