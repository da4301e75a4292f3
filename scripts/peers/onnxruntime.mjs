// onnxruntime-node as a peer of `npm run bench`: one process that runs the encoder when told to.
//
//     node scripts/peers/onnxruntime.mjs MODEL.onnx INPUTS [THREADS]
//
// INPUTS is a safetensors file with `pixel_values`. Prints "ready", then answers each line on
// stdin: `run` with the seconds of one forward pass, `save FILE` by writing the results as
// safetensors. onnxruntime-node is looked for from the working directory.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(process.cwd(), "package.json"));
const ort = require("onnxruntime-node");

function readTensor(path, name) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const { dtype, shape, data_offsets: range } = JSON.parse(file.subarray(8, 8 + length))[name];
  if (dtype !== "F32") throw new Error(`expected F32 for ${name} but received ${dtype}`);
  const bytes = file.subarray(8 + length + range[0], 8 + length + range[1]);
  return new ort.Tensor("float32", new Float32Array(new Uint8Array(bytes).buffer), shape);
}

function writeTensors(path, tensors) {
  const header = {};
  let offset = 0;
  for (const [name, { data, dims }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape: dims, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const bytes = Object.values(tensors).map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  writeFileSync(path, Buffer.concat([size, Buffer.from(text), ...bytes]));
}

const [model, inputs, threads = "2"] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  graphOptimizationLevel: "all",
});
const feeds = { pixel_values: readTensor(inputs, "pixel_values") };
await session.run(feeds);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [command, path] = line.split(" ");
  if (command === "run") {
    const start = performance.now();
    await session.run(feeds);
    console.log((performance.now() - start) / 1000);
  } else if (command === "save") {
    const { last_hidden_state, pooler_output } = await session.run(feeds);
    writeTensors(path, { last_hidden_state, pooler_output });
    console.log("saved");
  }
}
