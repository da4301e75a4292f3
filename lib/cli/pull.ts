import { pull } from "../hub/index.js";
import { defineCommand } from "./command.js";

const KILOBYTES = { unit: "kB", bytes: 1e3 };
const MEGABYTES = { unit: "MB", bytes: 1e6 };

export default defineCommand({
  name: "pull",
  description: "Brings a model from the hub into the cache that Python's huggingface_hub shares",
  args: {
    name: { type: "positional", description: "org/name or org/name@revision" },
    revision: {
      type: "string",
      valueHint: "R",
      description: "A branch, a tag, refs/pr/N or a commit; main by default",
    },
  },
  async run({ args, output, signal }) {
    const bar = output.progress(args.name);
    try {
      const { path, files } = await pull(args.name, {
        revision: args.revision,
        signal,
        onProgress: ({ done, total, phase }) => {
          if (total === 0) return;
          const { unit, bytes } = total < 1e7 ? KILOBYTES : MEGABYTES;
          const label = `${phase} (${unit})`;
          bar.update(Math.round(done / bytes), Math.round(total / bytes), label);
        },
      });
      output.result({ path, files }, [path, ...files.map((file) => `  ${file}`)].join("\n"));
    } catch (error) {
      bar.stop();
      if (signal.aborted) output.log("what was downloaded is kept: the same command goes on");
      throw error;
    } finally {
      bar.stop();
    }
  },
});
