import { cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TorchsightError } from "../core/errors.js";
import { nativePaths } from "../native/load.js";
import { defineCommand } from "./command.js";

const README = `This folder was written by \`torchsight bundle\`. Ship it beside your program,
outside of any archive, and set TORCHSIGHT_PREBUILD to it before torchsight is first used:

    process.env.TORCHSIGHT_PREBUILD = path.join(process.resourcesPath, "torchsight");

prebuilds/  the addon and the worker executable
libtorch/   the libtorch they run on
licenses/   the licences of both, which must travel with them
`;

/** Files of libtorch's lib/ that only linking needs. */
const LINK_ONLY = /\.(lib|a|pdb)$/;

export default defineCommand({
  name: "bundle",
  description: "Copies addon, worker, libtorch and licences into a folder for a packager",
  args: {
    out: { type: "string", required: true, valueHint: "DIR", description: "A new or empty folder" },
  },
  async run({ args, output }) {
    const out = resolve(args.out);
    if (existsSync(out) && readdirSync(out).length > 0) {
      throw new TorchsightError(
        "BAD_INPUT",
        `expected an empty folder for --out but ${out} is not`,
      );
    }
    const { loader, libtorch } = nativePaths();
    const native = join(out, "prebuilds", `${process.platform}-${process.arch}`);
    output.log("copying the addon and the worker");
    copy(loader, join(native, basename(loader)));
    copy(join(dirname(loader), "native"), join(native, "native"));
    output.log(`copying libtorch ${libtorch.version}`);
    copyLibtorch(libtorch.path, out);
    const lacking = copyLicenses(libtorch.path, join(out, "licenses"));
    for (const name of lacking) output.log(`no licence of ${name} was found: add it yourself`);
    writeFileSync(join(out, "README.txt"), README);
    const { files, bytes } = measure(out);
    output.result(
      { out, files, bytes, libtorch: libtorch.version },
      `${files} files, ${(bytes / 2 ** 20).toFixed(0)} MiB, in ${out}`,
    );
  },
});

function copyLibtorch(libtorch: string, out: string): void {
  for (const name of readdirSync(join(libtorch, "lib"))) {
    const from = join(libtorch, "lib", name);
    if (LINK_ONLY.test(name) || /torch_python/.test(name) || !statSync(from).isFile()) continue;
    copy(from, join(out, "libtorch", "lib", name));
  }
  for (const name of ["version.py", "build-version"]) {
    if (existsSync(join(libtorch, name))) copy(join(libtorch, name), join(out, "libtorch", name));
  }
  // libtorch's run paths look for NVIDIA's libraries here.
  const nvidia = join(dirname(libtorch), "nvidia");
  if (existsSync(nvidia)) copy(nvidia, join(out, "nvidia"));
}

/** Copies the licences; tells of which there were none. */
function copyLicenses(libtorch: string, target: string): string[] {
  const own = fileURLToPath(new URL("../../", import.meta.url));
  for (const name of ["LICENSE", "THIRD-PARTY.md"]) {
    copy(join(own, name), join(target, "torchsight", name));
  }
  const besides = readdirSync(dirname(libtorch))
    .filter((name) => /^torch-.*\.dist-info$/.test(name))
    .map((name) => join(dirname(libtorch), name, "licenses"));
  const found = [join(libtorch, "licenses"), ...besides, join(libtorch, "LICENSE")].find(
    existsSync,
  );
  if (!found) return ["libtorch"];
  copy(found, join(target, "libtorch", basename(found) === "LICENSE" ? "LICENSE" : ""));
  return [];
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  // Links become files: the folder must stand alone.
  cpSync(from, to, { recursive: true, dereference: true });
}

function measure(folder: string): { files: number; bytes: number } {
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    files += 1;
    bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return { files, bytes };
}
