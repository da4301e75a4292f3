import { fetchLibtorch, VARIANTS } from "../install/fetch.js";
import { libtorchVersion } from "../install/libtorch.js";
import { defineCommand } from "./command.js";

export default defineCommand({
  name: "setup",
  description: "Fetches libtorch into the cache: by pip where it is there, else from PyTorch",
  args: {
    variant: {
      type: "enum",
      options: [...VARIANTS],
      default: "cpu",
      description: "Which build of libtorch",
    },
  },
  async run({ args, output }) {
    const variant = VARIANTS.find((known) => known === args.variant) ?? "cpu";
    const path = await fetchLibtorch({ variant, log: (line: string) => output.log(line) });
    const version = libtorchVersion(path);
    output.result({ path, version, variant }, `libtorch ${version} is in ${path}`);
    const other = process.env.TORCHSIGHT_LIBTORCH;
    if (other) output.log(`TORCHSIGHT_LIBTORCH=${other} is set and goes before it`);
  },
});
