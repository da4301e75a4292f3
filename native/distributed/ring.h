// Products whose operands travel around a ring of ranks while they are computed: the asynchronous
// parallel linear operations of arXiv 2302.05442, section 3.2.
#pragma once

#include <functional>

#include "distributed/group.h"

namespace torchsight {

/// How messages and computation share the time. All modes compute the same numbers, bit for bit.
enum class Overlap {
  kAuto,  // by the size of a message: small ones are not worth hiding
  kRing,  // a block is computed while the next one travels
  kNone,  // one collective, then the computation
};

struct RingOptions {
  Overlap overlap = Overlap::kAuto;
  /// Pieces in which a block travels: the first one can be used before the last one has come.
  int64_t pieces = 1;
};

/// Shows `visit` the `local` rows of every rank, this one's first, in pieces: `rows` are those from
/// row `begin` of the block of rank `from`. All ranks have as many rows.
void gather_each(
    Group& group, const RingOptions& options, const at::Tensor& local,
    const std::function<void(int64_t from, int64_t begin, const at::Tensor& rows)>& visit);

/// The sum over the ranks of this rank's block, [rows, w]. `partial` gives the summand of the
/// calling rank for `count` rows from row `begin` of a block, as a tensor that may be changed.
at::Tensor reduce_each(
    Group& group, const RingOptions& options, int64_t rows,
    const std::function<at::Tensor(int64_t block, int64_t begin, int64_t count)>& partial);

/// The sum over the ranks of all `rows`, on every rank. `partial` as above, without blocks.
at::Tensor sum_each(Group& group, const RingOptions& options, int64_t rows,
                    const std::function<at::Tensor(int64_t begin, int64_t count)>& partial);

}  // namespace torchsight
