// A rank that does what it is told: `node rank.mjs JSON` with {join, collectiveTimeout, config,
// steps}, or with {path} or {config} and the variables of a launcher. Writes one JSON line when it
// has loaded and one for each step: {value}, or {code, message}.
import { createModule, full, load as loadModel } from "torchsight";
import { startJob } from "../../../dist/core/jobs.js";
import { Module } from "../../../dist/core/module.js";
import { native } from "../../../dist/core/runtime.js";

const { join, path, collectiveTimeout, config, steps = [] } = JSON.parse(process.argv[2]);

/** Loads by a request of its own, so that it can tell what no honest rank would. */
function load() {
  const request = {
    config: { model_type: "torchsight_diagnostics", ...config },
    device: "cpu",
    dtype: "float32",
    seed: 0,
    collectiveTimeout,
    join,
  };
  return startJob({
    submit: (options) => native().submitLoad(JSON.stringify(request), options),
    decode: (loaded) => new Module(loaded, config),
  });
}

const started = performance.now();
let model;
const tell = (told) => console.log(JSON.stringify({ ...told, ms: performance.now() - started }));
async function attempt(work) {
  try {
    tell({ value: await work() });
  } catch ({ code, message }) {
    tell({ code, message });
  }
}

await attempt(async () => {
  const options = { group: "launcher" };
  if (join) model = await load();
  else if (path) model = await loadModel(path, options);
  else model = await createModule(config, { seed: 0, ...options });
  return "loaded";
});
for (const step of model ? steps : []) {
  const { method = "all_reduce", args = {}, inputs = {}, fill = 1, cancelAfter, times = 1 } = step;
  if (step.save) {
    await attempt(async () => {
      await model.save(step.save);
      return "saved";
    });
    continue;
  }
  const tensors = Object.entries(inputs).map(([name, shape]) => [name, full(shape, fill)]);
  // Several calls at once, to be seen in one order by all ranks.
  const jobs = Array.from({ length: times }, () => {
    const signal = cancelAfter === undefined ? undefined : AbortSignal.timeout(cancelAfter);
    return model.call(method, Object.fromEntries(tensors), { args, signal });
  });
  for (const job of jobs) {
    await attempt(async () => {
      const { sum } = await job;
      return sum ? (await sum.data())[0] : method;
    });
  }
}
model?.dispose();
