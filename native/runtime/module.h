// A native model with a table of methods, and the parameters that a load plan fills.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/accelerator.h"
#include "runtime/job.h"
#include "runtime/schema.h"
#include "runtime/timeline.h"

namespace torchsight {

class Group;         // distributed/group.h
struct SaveOptions;  // runtime/save.h

/// How a parameter is filled where there is no checkpoint.
struct Init {
  enum class Kind { kZeros, kOnes, kConstant, kNormal, kXavierUniform, kLecunNormal };
  Kind kind = Kind::kZeros;
  double value = 0;  // the constant, or the standard deviation of kNormal
  /// Fans of kXavierUniform and kLecunNormal where they are not those of [out, in].
  int64_t fan_in = 0;
  int64_t fan_out = 0;
};

/// The part of a full tensor that a rank holds: `length` entries from `begin` of dimension `dim`.
struct Cut {
  int64_t dim = 0;
  int64_t begin = 0;
  int64_t length = 0;
  bool copy = false;  // a rank before this one holds the same part
};

/// One tensor of the checkpoint contract. `tensor` is the memory it is loaded into, often a view of
/// a fused matrix, so that fusing stays a private matter of the module.
struct Parameter {
  std::string name;
  at::Tensor tensor;
  std::vector<int64_t> full_shape;
  Init init;
  std::optional<Cut> cut;
  bool buffer = false;  // saved and loaded, never trained
  /// Whole on every rank, but used on each rank's part of the work: its gradient is the sum of the
  /// ranks' gradients.
  bool partial = false;
};

/// Which named activations a call wants, and where they are put.
class Taps {
 public:
  Taps() = default;
  explicit Taps(std::vector<std::string> wanted);

  bool any() const noexcept { return all_ || !wanted_.empty(); }
  bool wants(std::string_view name) const noexcept;
  const std::vector<std::string>& wanted() const noexcept { return wanted_; }
  /// Throws `Error(kBadInput)` with all of `known` where another name is wanted. "all" always fits.
  void check(const std::vector<std::string>& known) const;
  /// Keeps a copy of `tensor` under `name` if the call asked for it.
  void record(std::string_view name, const at::Tensor& tensor);
  NamedTensors take() { return std::move(recorded_); }

 private:
  std::vector<std::string> wanted_;
  bool all_ = false;
  NamedTensors recorded_;
};

struct Call {
  NamedTensors inputs;
  Json options;
  Taps taps;
  std::shared_ptr<Timeline> timeline = {};  // null: nobody wants to know
  bool recompute = false;  // layers keep their inputs alone for a backward pass: nn/recompute.h
  int64_t stream = 0;      // of the first sample's random numbers, in training; each has its own

  /// The input of that name. Checked against the schema before, so a missing one is a bug.
  const at::Tensor& input(std::string_view name) const;
};

/// State that lives between calls: a cache, a sampler in mid-cascade, a trainer. Opaque and never
/// shared by two calls at a time.
class Session {
 public:
  virtual ~Session() = default;
  virtual std::vector<MethodSchema> schemas() const = 0;
  /// The schemas as JSON, as JavaScript sees the session.
  virtual Json describe() const;
  virtual NamedTensors call(const std::string& method, Call& call, JobContext& context) = 0;
  /// The state as named tensors, where that makes sense; throws `Error(kUnsupported)` elsewhere.
  virtual NamedTensors snapshot() const;
  virtual void restore(const NamedTensors& state);
};

struct ModuleOptions {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  std::shared_ptr<Group> group;  // null: not sharded
  /// The ranks of other replicas that hold the same part, for training; null: none, or not met.
  std::shared_ptr<Group> replicas = {};
  Json extra;  // options of the system itself, e.g. {"fuse": false}
};

class Module {
 public:
  using Handler = std::function<NamedTensors(Call&, JobContext&)>;
  virtual ~Module() = default;
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// What the module was made with, its group among it. Set by `make_module`.
  const ModuleOptions& options() const noexcept { return options_; }
  void set_options(ModuleOptions options) { options_ = std::move(options); }

  virtual std::vector<MethodSchema> schemas() const;
  virtual std::vector<std::string> tap_names() const { return {}; }
  /// Every tensor of the checkpoint contract, in the contract's order.
  virtual std::vector<Parameter> parameters() { return {}; }
  /// Called once after all parameters are filled: packing, choosing kernels.
  virtual void loaded() {}
  /// Whether the method gives its device the same work for all inputs of the same shapes, and never
  /// waits for it, so that the work can be captured once and replayed.
  virtual bool fixed(const std::string&) const { return false; }
  /// Where it computes: jobs that call it belong to the lane of that device.
  at::Device device() const noexcept { return options_.device; }
  /// Whether a call that its device had no memory for may be made again from its start.
  virtual bool repeatable() const { return is_accelerator(device()); }
  /// `{methods, taps, parameters: [{name, shape, dtype}]}`, as JavaScript sees the module.
  virtual Json describe();
  /// Checks inputs, options and taps against the schema, then runs the method without gradients.
  virtual NamedTensors call(const std::string& method, Call& call, JobContext& context);
  /// The same in the caller's grad mode: where gradients are enabled the outputs have derivatives
  /// with respect to the parameters that require gradients.
  NamedTensors run(const std::string& method, Call& call, JobContext& context);
  /// What the method of that name declares. Throws `Error(kNotFound)`.
  MethodSchema schema_of(const std::string& method) const;
  /// Writes every parameter as safetensors under the names of the checkpoint contract. All ranks of
  /// a sharded module call this together: each writes a file of its own parts, and rank 0, last,
  /// the manifest, without which the folder has no weights. Returns or throws on all ranks alike.
  virtual void save(const SaveOptions& options, JobContext& context);
  /// Opens a session of that kind; throws `Error(kNotFound)` where the module has none.
  virtual std::unique_ptr<Session> open_session(const std::string& kind, const Json& options);

 protected:
  /// Called by the constructors of systems.
  void add_method(MethodSchema schema, Handler handler);

 private:
  struct Method {
    MethodSchema schema;
    Handler handler;
  };
  const Method& find_method(const std::string& name) const;

  std::vector<Method> methods_;
  ModuleOptions options_;
};

/// Makes a module of `config["model_type"]` with unfilled parameters. Throws `Error(kBadConfig)`
/// for configs that no module can be made of and `Error(kUnsupported)` for unknown model types.
std::unique_ptr<Module> make_module(const Json& config, const ModuleOptions& options);

/// The model types that `make_module` knows.
std::vector<std::string> model_types();

}  // namespace torchsight
