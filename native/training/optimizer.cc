#include "training/optimizer.h"

#include <functional>

#include "runtime/config_reader.h"

namespace torchsight {

std::unique_ptr<Optimizer> make_optimizer(const Json& json, const std::vector<Weight>& weights,
                                          std::shared_ptr<Group> parts) {
  using Make = std::function<std::unique_ptr<Optimizer>(const Json&, const std::vector<Weight>&)>;
  const Make adafactor = [&parts](const Json& json, const std::vector<Weight>& weights) {
    return make_adafactor(json, weights, parts);
  };
  const Make make =
      ConfigReader(json, "optimizer.")
          .choice<Make>("kind",
                        {{"adamw", make_adamw}, {"adafactor", adafactor}, {"sgd", make_sgd}});
  return make(json, weights);
}

}  // namespace torchsight
