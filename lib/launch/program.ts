/** What to start for a program as a person names it. */
import { extname } from "node:path";
import { TorchsightError } from "../core/errors.js";

const SCRIPTS = [".js", ".mjs", ".cjs"];
const TYPED = [".ts", ".mts", ".cts"];

/** The command that starts `program`: scripts run under this Node, all else by itself. */
export function commandOf(program: string, args: readonly string[]): [string, string[]] {
  const ending = extname(program);
  const typed = TYPED.includes(ending);
  if (!typed && !SCRIPTS.includes(ending)) return [program, [...args]];
  return [process.execPath, [...process.execArgv, ...(typed ? typeFlags() : []), program, ...args]];
}

/** What makes this Node read TypeScript. Throws `UNSUPPORTED` where nothing does. */
function typeFlags(): string[] {
  const { typescript } = process.features as { typescript?: string | false };
  const loads = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].some((word) =>
    /--(import|loader|experimental-loader|require)\b/.test(word),
  );
  if (typescript || loads) return [];
  if (process.allowedNodeEnvironmentFlags.has("--experimental-strip-types")) {
    return ["--experimental-strip-types"];
  }
  throw new TorchsightError(
    "UNSUPPORTED",
    `Node ${process.versions.node} does not read TypeScript: use Node 22.18 or newer, compile ` +
      "the program, or set NODE_OPTIONS=--import=tsx",
  );
}
