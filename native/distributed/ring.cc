#include "distributed/ring.h"

#include <ATen/ATen.h>

#include "runtime/timeline.h"

namespace torchsight {
namespace {

// Below so many bytes a message costs more than it takes: measured with `bench overlap`.
constexpr int64_t kSmallMessage = 1 << 16;

struct Piece {
  int64_t begin;
  int64_t count;
};

std::vector<Piece> pieces_of(int64_t rows, int64_t pieces) {
  const int64_t most = std::max<int64_t>(1, (rows + pieces - 1) / std::max<int64_t>(1, pieces));
  std::vector<Piece> result{{0, std::min(most, rows)}};
  for (int64_t begin = most; begin < rows; begin += most) {
    result.push_back({begin, std::min(most, rows - begin)});
  }
  return result;
}

bool overlaps(const RingOptions& options, int64_t message_bytes) {
  if (options.overlap == Overlap::kAuto) return message_bytes >= kSmallMessage;
  return options.overlap == Overlap::kRing;
}

int64_t bytes_of(const at::Tensor& tensor, size_t pieces) {
  return tensor.numel() * tensor.element_size() / static_cast<int64_t>(std::max<size_t>(1, pieces));
}

// One piece on its way around the ring.
struct Traveller {
  at::Tensor here, coming;
  std::unique_ptr<Transfer> transfer;

  void send(Group& group) {
    coming = at::empty_like(here);
    transfer = group.start_ring(here, coming);
  }
  void arrive() {
    transfer->wait();
    here = std::move(coming);
  }
};

at::Tensor joined(const std::vector<Traveller>& travellers) {
  if (travellers.size() == 1) return travellers.front().here;
  std::vector<at::Tensor> rows;
  for (const Traveller& traveller : travellers) rows.push_back(traveller.here);
  return at::cat(rows);
}

}  // namespace

void gather_each(
    Group& group, const RingOptions& options, const at::Tensor& local,
    const std::function<void(int64_t from, int64_t begin, const at::Tensor& rows)>& visit) {
  const int64_t size = group.size(), rank = group.rank(), rows = local.size(0);
  const auto pieces = pieces_of(rows, options.pieces);
  if (!overlaps(options, bytes_of(local, pieces.size()))) {
    const at::Tensor all = group.all_gather(local);
    for (int64_t step = 0; step < size; ++step) {
      const int64_t from = (rank - step + size) % size;
      for (const auto& [begin, count] : pieces) {
        const Timeline::Span span("product");
        visit(from, begin, all.narrow(0, from * rows + begin, count));
      }
    }
    return;
  }
  std::vector<Traveller> travellers;
  for (const auto& [begin, count] : pieces) {
    travellers.push_back({local.narrow(0, begin, count).contiguous(), {}, {}});
  }
  for (int64_t step = 0; step < size; ++step) {
    for (size_t p = 0; p < pieces.size(); ++p) {
      Traveller& traveller = travellers[p];
      if (step > 0) traveller.arrive();
      if (step + 1 < size) traveller.send(group);
      const Timeline::Span span("product");
      visit((rank - step + size) % size, pieces[p].begin, traveller.here);
    }
  }
}

at::Tensor reduce_each(
    Group& group, const RingOptions& options, int64_t rows,
    const std::function<at::Tensor(int64_t block, int64_t begin, int64_t count)>& partial) {
  const int64_t size = group.size(), rank = group.rank();
  const auto pieces = pieces_of(rows, options.pieces);
  const auto block_at = [&](int64_t step) { return (rank + size - 1 - step) % size; };
  // The first summand tells how large messages are.
  at::Tensor first = partial(block_at(0), pieces[0].begin, pieces[0].count);
  const auto summand = [&](int64_t step, size_t p) {
    if (step == 0 && p == 0) return std::move(first);
    const Timeline::Span span("product");
    return partial(block_at(step), pieces[p].begin, pieces[p].count);
  };
  if (!overlaps(options, bytes_of(first, 1))) {
    at::Tensor all_Trw = at::empty({size, rows, first.size(1)}, first.options());
    for (int64_t step = 0; step < size; ++step) {
      for (size_t p = 0; p < pieces.size(); ++p) {
        const at::Tensor mine = summand(step, p);
        all_Trw.select(0, block_at(step)).narrow(0, pieces[p].begin, pieces[p].count).copy_(mine);
      }
    }
    const at::Tensor parts_Trw = group.all_to_all(all_Trw);
    // In the order in which the ring passes this rank's block on.
    at::Tensor sum_rw = parts_Trw.select(0, (rank + 1) % size);
    for (int64_t k = 2; k <= size; ++k) sum_rw.add_(parts_Trw.select(0, (rank + k) % size));
    return sum_rw;
  }
  std::vector<Traveller> travellers(pieces.size());
  for (int64_t step = 0; step < size; ++step) {
    for (size_t p = 0; p < pieces.size(); ++p) {
      Traveller& traveller = travellers[p];
      at::Tensor sum = summand(step, p);
      if (step > 0) {
        traveller.arrive();
        sum.add_(traveller.here);
      }
      traveller.here = std::move(sum);
      if (step + 1 < size) traveller.send(group);
    }
  }
  return joined(travellers);
}

at::Tensor sum_each(Group& group, const RingOptions& options, int64_t rows,
                    const std::function<at::Tensor(int64_t begin, int64_t count)>& partial) {
  std::vector<Traveller> travellers;
  for (const auto& [begin, count] : pieces_of(rows, options.pieces)) {
    Traveller traveller{partial(begin, count), {}, {}};
    traveller.transfer = group.start_all_reduce(traveller.here);
    if (!overlaps(options, bytes_of(traveller.here, 1))) traveller.transfer->wait();
    travellers.push_back(std::move(traveller));
  }
  for (Traveller& traveller : travellers) traveller.transfer->wait();
  return joined(travellers);
}

}  // namespace torchsight
