#include "training/optimizer.h"

#include "runtime/config_reader.h"

namespace torchsight {

std::unique_ptr<Optimizer> make_optimizer(const Json& json, const std::vector<Weight>& weights) {
  const auto make =
      ConfigReader(json, "optimizer.")
          .choice<decltype(&make_adamw)>(
              "kind", {{"adamw", make_adamw}, {"adafactor", make_adafactor}, {"sgd", make_sgd}});
  return make(json, weights);
}

}  // namespace torchsight
