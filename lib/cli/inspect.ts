import { isAbsolute, relative } from "node:path";
import {
  type CheckpointTensor,
  openCheckpoint,
  readConfig,
  requireFile,
  weightsFile,
} from "../core/checkpoint.js";
import { defineCommand } from "./command.js";

export default defineCommand({
  name: "inspect",
  description: "Lists the tensors of a safetensors file, an index, an npz or a model's folder",
  args: { path: { type: "positional", description: "A file or a folder" } },
  async run({ args, output }) {
    const path = requireFile(args.path);
    const checkpoint = openCheckpoint(weightsFile(path));
    const config = readConfig(path) ?? checkpoint.config ?? undefined;
    const shown = (file: string) => (isAbsolute(args.path) ? file : relative("", file) || ".");
    const tensors = checkpoint.tensors.map((tensor) => ({
      ...tensor,
      file: shown(tensor.file),
      ...(tensor.pieces && {
        pieces: tensor.pieces.map((piece) => ({ ...piece, file: shown(piece.file) })),
      }),
    }));
    const { metadata, parameters } = checkpoint;
    const files = checkpoint.files.map(shown);
    const document = {
      files,
      tensors,
      metadata,
      ...(config !== undefined && { config }),
      parameters,
    };
    output.result(document, describe(tensors, files, parameters));
  },
});

function describe(tensors: CheckpointTensor[], files: string[], parameters: number): string {
  const width = Math.max(0, ...tensors.map(({ name }) => name.length));
  const rows = tensors.map(
    ({ name, dtype, shape, cut, pieces }) =>
      `${name.padEnd(width)}  ${dtype} [${shape.join(", ")}]${
        pieces ? `, dimension ${cut} in ${pieces.length} pieces` : ""
      }`,
  );
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const megabytes = (bytes / 1e6).toFixed(1);
  const total = `${tensors.length} tensors, ${parameters} parameters, ${megabytes} MB`;
  return [...rows, `${total} in ${files.join(", ")}`].join("\n");
}
