#include "generation/sampling.h"

#include <ATen/ATen.h>
#include <ATen/core/PhiloxRNGEngine.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchsight {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();
constexpr size_t kFirstSorted = 256;

// A number in [0, 1) with 53 random bits.
double uniform(const Sampler::Row& row, int64_t step) {
  at::philox_engine engine(static_cast<uint64_t>(row.seed), static_cast<uint64_t>(row.stream),
                           static_cast<uint64_t>(step));
  const uint64_t high = engine(), low = engine();
  return static_cast<double>(((high << 32) | low) >> 11) * 0x1p-53;
}

// The candidates in order as far as it is asked for: sorting a whole vocabulary is rarely needed.
class Descending {
 public:
  explicit Descending(std::vector<Candidate>& list) : list_(list) {}

  const Candidate& operator[](size_t rank) {
    while (rank >= sorted_) {
      const size_t end = std::min(list_.size(), std::max(kFirstSorted, 4 * sorted_));
      const auto begin = list_.begin();
      std::partial_sort(
          begin + sorted_, begin + end, list_.end(), [](const Candidate& a, const Candidate& b) {
            return a.probability > b.probability || (a.probability == b.probability && a.id < b.id);
          });
      sorted_ = end;
    }
    return list_[rank];
  }

 private:
  std::vector<Candidate>& list_;
  size_t sorted_ = 0;
};

// How many of the list are as likely as the one of that rank, or likelier.
size_t count_with_ties(Descending& ordered, size_t size, size_t rank) {
  size_t count = rank + 1;
  while (count < size && ordered[count].probability == ordered[rank].probability) ++count;
  return count;
}

void normalize(std::vector<Candidate>& list) {
  double total = 0;
  for (const Candidate& one : list) total += one.probability;
  for (Candidate& one : list) one.probability /= total;
}

}  // namespace

at::Tensor log_probs(const at::Tensor& logits_BV, const at::Tensor& ids_B) {
  const at::Tensor numbers_BV = logits_BV.to(at::kFloat);
  const at::Tensor chosen_B =
      numbers_BV.gather(1, ids_B.to(numbers_BV.device()).unsqueeze(1)).squeeze(1);
  return (chosen_B - at::logsumexp(numbers_BV, 1)).cpu();
}

std::vector<Candidate> candidates(const float* logits, int64_t vocabulary,
                                  const GenerationOptions& options) {
  const double largest = *std::max_element(logits, logits + vocabulary);
  std::vector<Candidate> list;
  for (int64_t id = 0; id < vocabulary; ++id) {
    const double p = std::exp((logits[id] - largest) / options.temperature);
    if (p > 0) list.push_back({id, p});
  }
  const auto keep = [&](auto last_rank) {
    Descending ordered(list);
    const size_t count = count_with_ties(ordered, list.size(), last_rank(ordered));
    list.resize(count);
    normalize(list);
  };
  normalize(list);
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(list.size())) {
    keep([&](Descending&) { return static_cast<size_t>(options.top_k - 1); });
  }
  if (options.top_p < 1) {
    keep([&](Descending& ordered) {
      double reached = 0;
      size_t rank = 0;
      for (; rank + 1 < list.size(); ++rank) {
        reached += ordered[rank].probability;
        if (reached >= options.top_p) break;
      }
      return rank;
    });
  }
  return list;
}

Sampler::Sampler(const GenerationOptions& options, int64_t vocabulary, at::Device device)
    : options_(options) {
  if (options.allowed.empty()) return;
  refused_V_ = at::ones({vocabulary}, at::TensorOptions().dtype(at::kBool).device(device));
  refused_V_.index_fill_(0, at::tensor(options.allowed, refused_V_.options().dtype(at::kLong)),
                         false);
}

at::Tensor Sampler::operator()(const at::Tensor& logits_BV, const std::vector<Row>& rows,
                               int64_t step) const {
  const at::Tensor open_BV =
      refused_V_.defined() ? logits_BV.masked_fill(refused_V_, kLowest) : logits_BV;
  if (!options_.sample) return open_BV.argmax(1).cpu();
  const at::Tensor numbers_BV = open_BV.to(at::kCPU, at::kFloat).contiguous();
  const int64_t batch = numbers_BV.size(0), vocabulary = numbers_BV.size(1);
  at::Tensor ids_B = at::empty({batch}, at::kLong);
  for (int64_t b = 0; b < batch; ++b) {
    const float* const logits = numbers_BV.const_data_ptr<float>() + b * vocabulary;
    ids_B.mutable_data_ptr<int64_t>()[b] = draw(logits, vocabulary, rows[b], step);
  }
  return ids_B;
}

int64_t Sampler::draw(const float* logits, int64_t vocabulary, const Row& row, int64_t step) const {
  const std::vector<Candidate> list = candidates(logits, vocabulary, options_);
  double left = uniform(row, step);
  for (const Candidate& one : list) {
    left -= one.probability;
    if (left < 0) return one.id;
  }
  return list.back().id;
}

}  // namespace torchsight
