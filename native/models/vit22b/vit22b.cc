#include "models/vit22b/vit22b.h"

#include <ATen/ATen.h>

#include "models/vit22b/sharding.h"
#include "nn/parameters.h"
#include "nn/recompute.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "training/trainer.h"

namespace torchsight::vit22b {
namespace {

MethodSchema make_schema(const Config& config, std::string name, std::string doc,
                         std::vector<TensorSpec> outputs) {
  MethodSchema schema;
  schema.name = std::move(name);
  schema.doc = std::move(doc);
  schema.inputs = {{"pixel_values",
                    {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16},
                    {"B", std::to_string(config.channels), "height", "width"},
                    /*optional=*/false,
                    /*batch_axis=*/0}};
  schema.outputs = std::move(outputs);
  const std::string depth = std::to_string(config.depth);
  for (const char* statistic : {"max_attention_logit", "attention_entropy"}) {
    schema.outputs.push_back({statistic, {}, {depth}, /*optional=*/true});
  }
  schema.options = {{"telemetry", "bool", Json(false),
                     "also give the largest attention logit and the mean attention entropy (nats) "
                     "of each layer"}};
  return schema;
}

}  // namespace

ViT22B::ViT22B(const Config& config, const ModuleOptions& options)
    : config_(config),
      ranks_(shard(config, options)),
      embedding_(config, options),
      norm_(make_norm(config.norm, config.norm_bias, config.norm_eps, config.width, options)),
      head_(config, options) {
  if (float8::wanted(options)) float8::require(options.device);
  blocks_.reserve(config.depth);
  for (int64_t l = 0; l < config.depth; ++l) blocks_.emplace_back(config, l, ranks_, options);

  const std::string d = std::to_string(config.width), labels = std::to_string(config.labels);
  std::vector<TensorSpec> features{{"last_hidden_state", {}, {"B", "N", d}, false, 0}};
  if (head_.pools()) features.push_back({"pooler_output", {}, {"B", d}, false, 0});
  add_method(make_schema(config, "encode", "Features of pictures: every token, and one vector.",
                         std::move(features)),
             [this](Call& call, JobContext& context) { return encode(call, context); });
  add_method(make_schema(config, "classify", "Logits of pictures, one for each label.",
                         {{"logits", {}, {"B", labels}, false, 0}}),
             [this](Call& call, JobContext& context) { return classify(call, context); });
  MethodSchema explained = make_schema(
      config, "explain", "Logits of pictures, and which patches they come from.",
      {{"logits", {}, {"B", labels}, false, 0}, {"maps", {}, {"B", "K", "N"}, false, 0}});
  explained.options.push_back({"labels", "int[]", nullptr, "those to explain, by index", false});
  add_method(std::move(explained),
             [this](Call& call, JobContext& context) { return explain(call, context); });
}

std::vector<std::string> ViT22B::tap_names() const {
  std::vector<std::string> names{"embeddings"};
  for (int64_t l = 0; l < config_.depth; ++l) {
    const std::string block = "blocks." + std::to_string(l);
    names.insert(names.end(), {block + ".q_normed", block + ".k_normed", block});
  }
  return names;
}

std::vector<Parameter> ViT22B::parameters() {
  std::vector<Parameter> parameters;
  embedding_.add_parameters(parameters);
  for (Block& block : blocks_) block.add_parameters(parameters);
  add_norm(parameters, "norm", norm_);
  mark_partial(parameters, ranks_);  // after the last norm all ranks have all tokens
  head_.add_parameters(parameters);
  return parameters;
}

void ViT22B::loaded() {
  for (Block& block : blocks_) block.loaded();
}

std::unique_ptr<Session> ViT22B::open_session(const std::string& kind, const Json& options) {
  if (kind != "trainer") return Module::open_session(kind, options);
  const char* loss = config_.loss == Loss::kSigmoid ? "sigmoid" : "softmax";
  return open_trainer(*this, objective_of_classifier(*this, options, loss), options);
}

at::Tensor ViT22B::features(Call& call, JobContext& context, NamedTensors& results) {
  const at::Tensor& pixels = call.input("pixel_values");
  at::Tensor x_BNd = embedding_.forward(onto(pixels, norm_.weight.device()));
  call.taps.record("embeddings", x_BNd);
  const Extent extent{x_BNd.size(0), x_BNd.size(1)};
  Trace trace{call.taps, call.options.get("telemetry", false)};
  at::Tensor x_Rd = ranks_.split(x_BNd);
  x_BNd.reset();
  Votes votes = ranks_.votes(context);
  const auto layer = [&](Block& block, at::Tensor x) {
    const auto first = [&](at::Tensor in) { return block.forward(std::move(in), extent, trace); };
    if (!call.recompute) return first(std::move(x));
    return recomputed(std::move(x), first, [&block, extent](at::Tensor in) {
      Taps none;
      Trace silent{none};
      return block.forward(std::move(in), extent, silent);
    });
  };
  for (int64_t l = 0; l < config_.depth; ++l) {
    votes.cast();
    const Timeline::Span span("block", "blocks");
    x_Rd = layer(blocks_[l], std::move(x_Rd));
    context.progress({static_cast<double>(l + 1), static_cast<double>(config_.depth), "blocks"});
  }
  votes.count();
  if (trace.telemetry) {
    const at::Tensor statistics_L2 = at::stack(trace.statistics);
    results.emplace_back("max_attention_logit", statistics_L2.select(1, 0).contiguous());
    results.emplace_back("attention_entropy", statistics_L2.select(1, 1).contiguous());
  }
  return ranks_.join(ranks_.normalize(norm_, x_Rd), extent);
}

NamedTensors ViT22B::encode(Call& call, JobContext& context) {
  NamedTensors statistics;
  const at::Tensor x_BNd = features(call, context, statistics);
  NamedTensors results{{"last_hidden_state", x_BNd}};
  if (head_.pools()) results.emplace_back("pooler_output", head_.pool(x_BNd));
  results.insert(results.end(), statistics.begin(), statistics.end());
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

void ViT22B::require_classifier(const char* method) const {
  if (head_.classifies()) return;
  throw Error(ErrorCode::kUnsupported,
              std::string("expected a model with pooling and num_labels above 0 for ") + method +
                  " but received one without a classifier");
}

NamedTensors ViT22B::classify(Call& call, JobContext& context) {
  require_classifier("classify");
  NamedTensors statistics;
  const at::Tensor x_BNd = features(call, context, statistics);
  NamedTensors results{{"logits", head_.classify(head_.pool(x_BNd))}};
  results.insert(results.end(), statistics.begin(), statistics.end());
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

NamedTensors ViT22B::explain(Call& call, JobContext& context) {
  require_classifier("explain");
  const std::vector<int64_t> labels = call.options.find("labels")->as_ints("labels");
  if (labels.empty()) throw Error(ErrorCode::kBadInput, "expected at least one label for labels");
  NamedTensors statistics;
  const at::Tensor x_BNd = features(call, context, statistics);
  NamedTensors results{{"logits", head_.classify(head_.pool(x_BNd))},
                       {"maps", head_.explain(x_BNd, labels)}};
  results.insert(results.end(), statistics.begin(), statistics.end());
  for (NamedTensor& tap : call.taps.take()) results.push_back(std::move(tap));
  return results;
}

std::unique_ptr<Module> make_vit22b(const Json& config, const ModuleOptions& options) {
  return std::make_unique<ViT22B>(Config::from_json(config), options);
}

}  // namespace torchsight::vit22b
