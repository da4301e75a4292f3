/**
 * Runs a program as two ranks on two simulated hosts: network namespaces with nothing between them
 * but one cable. Loopback of one does not lead to the other, as on real machines.
 *
 *     npx tsx scripts/two_hosts.ts [PROGRAM ARGS…]
 *
 * Without a program, a small sharded ViT-22B encodes on both and compares with itself unsharded.
 * Variables of the environment, such as `GLOO_SOCKET_IFNAME`, go to both ranks. Exits with 77 and a
 * reason where this machine does not allow network namespaces.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Ranks } from "../lib/launch/processes.js";
import { commandOf } from "../lib/launch/program.js";
import { rankEnvironments } from "../lib/launch/rank_environments.js";

const SKIPPED = 77;
/** Addresses for documentation (RFC 5737): they are nowhere else. */
const ADDRESSES = ["192.0.2.1", "192.0.2.2"] as const;
const PORT = 29500;
const DEFAULT = fileURLToPath(new URL("../test/launch/programs/encode.mjs", import.meta.url));

const prefix = `torchsight-${process.pid}`;
const hosts = ADDRESSES.map((_, index) => `${prefix}-${index}`);

/** Runs `ip`; returns what it complained of. */
function ip(...words: string[]): string | undefined {
  const { status, stderr, error } = spawnSync("ip", words, { encoding: "utf8" });
  if (status === 0) return undefined;
  return `ip ${words.join(" ")}: ${error?.message ?? stderr.trim()}`;
}

/** Lays the cable. Returns why that is not possible here. */
function connect(): string | undefined {
  const [first, second] = hosts as [string, string];
  const steps = [
    ...hosts.map((host) => ["netns", "add", host]),
    ["-n", first, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", second],
    ...hosts.flatMap((host, index) => [
      ["-n", host, "address", "add", `${ADDRESSES[index]}/30`, "dev", "cable"],
      ["-n", host, "link", "set", "cable", "up"],
      ["-n", host, "link", "set", "lo", "up"],
    ]),
  ];
  for (const step of steps) {
    const complaint = ip(...step);
    if (complaint) return complaint;
  }
  return undefined;
}

async function runOnBoth(program: string, args: readonly string[]): Promise<number> {
  const [command, commandArgs] = commandOf(program, args);
  const environments = rankEnvironments(2, PORT).map((env) => ({
    ...env,
    LOCAL_RANK: "0",
    LOCAL_WORLD_SIZE: "1",
    MASTER_ADDR: ADDRESSES[0],
  }));
  const ranks = new Ranks({
    command: "/bin/sh",
    args: ["-c", `exec ip netns exec ${prefix}-$RANK "$@"`, "sh", command, ...commandArgs],
    environments,
    form: {
      stdout: (rank, line) => `[host ${rank}] ${line}`,
      stderr: (rank, line) => `[host ${rank}] ${line}`,
    },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => ranks.end(signal));
  }
  await ranks.run();
  return ranks.failed?.code ?? 0;
}

const impossible = process.platform === "linux" ? connect() : "network namespaces are Linux's";
try {
  if (impossible) {
    process.stderr.write(`skipped: this machine allows no simulated hosts: ${impossible}\n`);
    process.exitCode = SKIPPED;
  } else {
    const [program = DEFAULT, ...args] = process.argv.slice(2);
    process.exitCode = await runOnBoth(program, args);
  }
} finally {
  for (const host of hosts) ip("netns", "delete", host);
}
