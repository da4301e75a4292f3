import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { type Libtorch, requireLibtorch } from "../install/libtorch.js";
import { bundledLibtorch, nativeFiles } from "../native/paths.js";
import type { Device, ProbeReport } from "../native/probe.js";
import { defineCommand } from "./command.js";
import { failureOf } from "./output.js";

/** Something that is wrong, and what to do about it. */
interface Problem {
  code: string;
  message: string;
  remedy: string;
}

interface Diagnosis {
  ok: boolean;
  platform: string;
  node: string;
  libtorch: Libtorch | null;
  addon: { path: string; version: string } | null;
  devices: Device[];
  /** What serves cards, where libtorch has CUDA, and why they cannot be used, if so. */
  cuda: { addon: string | null; message?: string } | null;
  threads: number;
  problems: Problem[];
}

const BUILD_REMEDY =
  "Install the package for this platform again, or build it in a clone by `npm run build`";
const LIBTORCH_REMEDY =
  "Run `npx torchsight setup`, or set TORCHSIGHT_LIBTORCH to a libtorch folder";

export default defineCommand({
  name: "doctor",
  description: "Tells whether everything needed is here, and what to do if not",
  args: {},
  async run({ output }) {
    const diagnosis = await diagnose();
    output.result(diagnosis, readable(diagnosis));
    const [first] = diagnosis.problems;
    if (first === undefined) return 0;
    process.stderr.write(`${first.code}: ${first.message}\n`);
    return 1;
  },
});

async function diagnose(): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const diagnosis: Diagnosis = {
    ok: false,
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    libtorch: null,
    addon: null,
    devices: [],
    cuda: null,
    threads: availableParallelism(),
    problems,
  };
  checkNode(problems);
  diagnosis.libtorch = checkLibtorch(problems);
  const addon = checkFiles(problems);
  if (addon && diagnosis.libtorch) await tryAddon(addon, diagnosis);
  diagnosis.ok = problems.length === 0;
  return diagnosis;
}

function checkNode(problems: Problem[]): void {
  const manifest = new URL("../../package.json", import.meta.url);
  const { engines } = JSON.parse(readFileSync(manifest, "utf8")) as { engines: { node: string } };
  const [major = 0, minor = 0] = (engines.node.match(/\d+/g) ?? []).map(Number);
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  const message = `expected Node.js ${engines.node} but this is ${process.versions.node}`;
  problems.push({ code: "UNSUPPORTED", message, remedy: "Install a newer Node.js" });
}

function checkLibtorch(problems: Problem[]): Libtorch | null {
  try {
    return requireLibtorch({ bundle: bundledLibtorch() });
  } catch (error) {
    const { problem, remedy } = error as { problem?: string; remedy?: string };
    const { code, message } = failureOf(error);
    problems.push({ code, message: problem ?? message, remedy: remedy ?? LIBTORCH_REMEDY });
    return null;
  }
}

/** The files of the native side, whether or not there is a libtorch for them. */
function checkFiles(problems: Problem[]): string | undefined {
  try {
    const { addon, worker } = nativeFiles();
    for (const path of [addon, worker]) {
      if (existsSync(path)) continue;
      problems.push({ code: "NOT_FOUND", message: `${path} is missing`, remedy: BUILD_REMEDY });
    }
    return existsSync(addon) ? addon : undefined;
  } catch (error) {
    const { code, message } = failureOf(error);
    problems.push({ code, message, remedy: BUILD_REMEDY });
    return undefined;
  }
}

async function tryAddon(path: string, diagnosis: Diagnosis): Promise<void> {
  const report = await probe();
  if ("error" in report) {
    diagnosis.addon = { path, version: "unknown" };
    const { code, message } = report.error;
    diagnosis.problems.push({ code, message, remedy: LIBTORCH_REMEDY });
    return;
  }
  diagnosis.addon = { path, version: report.versions.addon };
  diagnosis.devices = report.devices;
  if (diagnosis.libtorch?.variant === "cuda") {
    const message = report.cards?.message;
    diagnosis.cuda = { addon: report.versions.cuda, ...(message && { message }) };
  }
  diagnosis.threads = report.threads;
}

/** Opens the addon in another process, which may crash. */
function probe(): Promise<ProbeReport> {
  const program = fileURLToPath(new URL("../native/probe.js", import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [program], { timeout: 60_000 }, (error, stdout) => {
      try {
        resolve(JSON.parse(stdout) as ProbeReport);
      } catch {
        const end = error?.signal ?? error?.code ?? "no report";
        const message = `opening the addon ended its process with ${end}`;
        resolve({ error: { code: "INTERNAL", message } });
      }
    });
  });
}

function readable(diagnosis: Diagnosis): string {
  const { libtorch, addon, devices, cuda, problems } = diagnosis;
  const lines = [
    `platform  ${diagnosis.platform}`,
    `node      ${diagnosis.node}`,
    `libtorch  ${libtorch ? `${libtorch.version} in ${libtorch.path} (${libtorch.how})` : "none"}`,
    `addon     ${addon ? `${addon.version} in ${addon.path}` : "none"}`,
    `devices   ${devices.map(describeDevice).join(", ") || "unknown"}`,
    ...(cuda ? [`cuda      ${cuda.addon ?? "without torchsight_cuda"}`] : []),
    ...(cuda?.message ? [`          ${cuda.message}`] : []),
    `threads   ${diagnosis.threads}`,
  ];
  for (const { code, message, remedy } of problems) lines.push("", `${code}: ${message}`, remedy);
  if (diagnosis.ok) lines.push("", "Everything needed is here.");
  return lines.join("\n");
}

function describeDevice({ name, memory, model }: Device): string {
  const size = `${(memory / 2 ** 30).toFixed(1)} GiB`;
  return `${name} (${model ? `${model}, ` : ""}${size})`;
}
