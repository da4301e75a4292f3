/**
 * Ways in which ranks do not find each other, or do not fit together: on every rank a typed error
 * that says what to do, in time, and no hang.
 */
import { createServer, type Server, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { createModule } from "../../lib/core/load.js";
import type { LaunchOption } from "../../lib/launch/join.js";
import "../../lib/models/index.js";
import { freePort, type RankPlan, ranks, runCommand, SCRIPT_OF_RANK } from "./ranks.js";

const TIMEOUT = 1500;
/** Milliseconds beyond the timeout: the last look at what others say, and a busy machine. */
const LATE = 3000;
const CONFIG = { model_type: "torchsight_diagnostics" };

const linux = process.platform === "linux" ? test.serial : test.serial.skip;

interface Group {
  rank: number;
  size: number;
  host?: string;
  agentStore?: boolean;
}

/** Loads as one rank, in this process, and checks how that fails. */
async function refused(
  t: ExecutionContext,
  group: LaunchOption,
  message: RegExp,
  { limit = LATE, tensorParallel }: { limit?: number; tensorParallel?: number } = {},
) {
  const begin = performance.now();
  const load = createModule(CONFIG, { seed: 0, group, tensorParallel });
  await t.throwsAsync(async () => await load, { code: "RENDEZVOUS", message });
  const took = performance.now() - begin;
  t.true(took < limit, `${took} ms`);
}

/** A rank of a group at `port`. */
const at = (port: number, group: Group, host = "127.0.0.1") => ({
  ...group,
  master: { host, port },
  timeout: TIMEOUT,
});

/** Runs ranks as processes and checks that all of them fail alike, and soon. */
async function allRefused(
  t: ExecutionContext,
  plans: readonly RankPlan[],
  message: RegExp,
  limit = LATE,
) {
  const told = await ranks(plans);
  t.is(told.length, plans.length);
  for (const [first] of told) {
    t.is(first?.code, "RENDEZVOUS");
    t.regex(first?.message ?? "", message);
    t.true((first?.ms ?? Infinity) < limit, `${first?.ms} ms`);
  }
}

/** Something that listens and is no store. */
async function stranger(t: ExecutionContext, answer: string): Promise<number> {
  const sockets: Socket[] = [];
  const server = await new Promise<Server>((resolve) => {
    const made = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      if (answer) socket.end(answer);
    }).listen(0, "127.0.0.1", () => resolve(made));
  });
  t.teardown(() => {
    server.close();
    // A rank that has given up leaves a thread behind that waits for an answer.
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

linux("1: a rank is missing", async (t) => {
  const group = at(await freePort(), { rank: 0, size: 3 });
  await refused(t, group, /2 of 3 ranks \(1, 2\) did not come within 1500 ms: are they started/, {
    limit: TIMEOUT + LATE,
  });
});

linux("2: rank 0 is missing", async (t) => {
  const group = at(await freePort(), { rank: 1, size: 2 });
  await refused(
    t,
    group,
    /expected rank 0 at 127\.0\.0\.1:\d+ within 1500 ms but nothing listens/,
    {
      limit: TIMEOUT + LATE,
    },
  );
});

linux("3: two ranks are equal", async (t) => {
  const plans = [{}, { join: { rank: 1 } }, { join: { rank: 1 } }];
  await allRefused(t, plans, /two processes are rank 1 of 3: give each a RANK of its own/, 8000);
});

linux("4: two processes are rank 0", async (t) => {
  const [first, second] = await ranks([
    { join: { rank: 0, timeout: 3000 } },
    { join: { rank: 0, timeout: 3000 } },
  ]);
  for (const told of [first, second]) t.is(told?.[0]?.code, "RENDEZVOUS");
  const messages = [first, second].map((told) => told?.[0]?.message ?? "").sort();
  t.regex(messages[0]!, /1 of 2 ranks \(1\) did not come within 3000 ms/);
  t.regex(messages[1]!, /another process that is rank 0, has it. Choose another MASTER_PORT/);
});

linux("5: ranks were told of different sizes", async (t) => {
  const plans = [{}, { join: { size: 3, together: 3 } }];
  await allRefused(t, plans, /2 ranks .* of 3|3 ranks .* of 2/, 8000);
});

linux("6: versions differ", async (t) => {
  for (const name of ["torchsight", "libtorch"]) {
    const plans = ["1.0.0", "1.0.1"].map((version) => ({ join: { alike: { [name]: version } } }));
    await allRefused(
      t,
      plans,
      new RegExp(`differ in "${name}" \\("1\\.0\\.\\d", "1\\.0\\.\\d"\\)`),
      8000,
    );
  }
});

linux("7: ranks load different models", async (t) => {
  const port = await freePort();
  const told = await Promise.all(
    [16, 32].map((size, rank) => {
      const env = {
        RANK: String(rank),
        WORLD_SIZE: "2",
        MASTER_ADDR: "127.0.0.1",
        MASTER_PORT: String(port),
      };
      const plan = JSON.stringify({ config: { ...CONFIG, size } });
      return runCommand(process.execPath, [SCRIPT_OF_RANK, plan], env);
    }),
  );
  for (const { stdout } of told) {
    const { code, message } = JSON.parse(stdout);
    t.is(code, "BAD_CHECKPOINT");
    t.regex(message, /expected the same config on all 2 ranks but rank 1/);
  }
});

linux("8: another program has the port, silent or not", async (t) => {
  const silent = await stranger(t, "");
  await refused(t, at(silent, { rank: 0, size: 2 }), /rank 0 cannot listen at port \d+.*has it/);
  const limit = TIMEOUT + LATE;
  const inVain = /waited 1500 ms at 127\.0\.0\.1:\d+ in vain for an answer of the store/;
  await refused(t, at(silent, { rank: 1, size: 2 }), inVain, { limit });
  const server = await stranger(t, "HTTP/1.1 400 Bad Request\r\n\r\n");
  const group = at(server, { rank: 1, size: 2 });
  await refused(t, group, /does not answer as one|something else than rank 0/, { limit });
});

linux("9: the master's name is unknown", async (t) => {
  const group = at(await freePort(), { rank: 1, size: 2 }, "no-such-host.invalid");
  await refused(t, group, /no-such-host\.invalid:\d+.*(the name is unknown|a name server)/, {
    limit: TIMEOUT + LATE,
  });
});

linux("10: loopback, though the master is elsewhere; an interface that is not there", async (t) => {
  const port = await freePort();
  // An address for documentation (RFC 5737): never this machine's.
  const elsewhere = at(port, { rank: 1, size: 2, host: "lo" }, "192.0.2.1");
  await refused(t, elsewhere, /127\.0\.0\.1 is loopback: set GLOO_SOCKET_IFNAME/);
  const unknown = at(port, { rank: 0, size: 2, host: "eth99" });
  await refused(
    t,
    unknown,
    /an interface or an address of this machine .*lo 127\.0\.0\.1.*"eth99"/,
  );
});

linux("11: the launcher's variables are partial or contradict each other", async (t) => {
  const sets: [NodeJS.ProcessEnv, RegExp][] = [
    [{}, /no launcher started this process/],
    [{ RANK: "0" }, /WORLD_SIZE to be set/],
    [{ RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "a" }, /MASTER_PORT to be set/],
    [{ RANK: "2", WORLD_SIZE: "2", MASTER_ADDR: "a", MASTER_PORT: "1" }, /RANK below WORLD_SIZE/],
    [{ RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "a", MASTER_PORT: "0" }, /for MASTER_PORT/],
    [{ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "2" }, /MASTER_ADDR to be set/],
    [{ SLURM_JOB_ID: "1", SLURM_NTASKS: "2", SLURM_PROCID: "0" }, /start the program with srun/],
    [{ JOB_COMPLETION_INDEX: "0" }, /TORCHSIGHT_WORLD_SIZE to be set/],
  ];
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  for (const [variables, message] of sets) {
    process.env = { ...before, ...variables };
    await refused(t, "launcher", message, { limit: 1000 });
  }
});

linux("12: ranks that cannot be parted into replicas", async (t) => {
  const group = at(await freePort(), { rank: 0, size: 4 });
  await refused(t, group, /tensorParallel that divides the 4 processes but received 3/, {
    limit: 1000,
    tensorParallel: 3,
  });
});

linux(
  "a fault is over with the attempt: the same ranks meet at the same port afterwards",
  async (t) => {
    const port = await freePort();
    await refused(t, at(port, { rank: 0, size: 2 }), /1 of 2 ranks/, { limit: TIMEOUT + LATE });
    const load = createModule(CONFIG, {
      seed: 0,
      group: { ...at(port, { rank: 0, size: 2 }), timeout: 15_000 },
    });
    const env = {
      RANK: "1",
      WORLD_SIZE: "2",
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: String(port),
    };
    const plan = JSON.stringify({ config: CONFIG, steps: [{}] });
    const other = runCommand(process.execPath, [SCRIPT_OF_RANK, plan], env);
    await using model = await load;
    using result = await model.call("all_reduce", {});
    t.is(result.sum!.item(), 2);
    t.is((await other).code, 0);
  },
);

test("groups of wrong types are refused before anything is loaded", async (t) => {
  const good = { rank: 0, size: 2, master: { host: "a", port: 1 } };
  const wrong: [object, RegExp][] = [
    [{ ...good, rank: 2 }, /0\.\.1 for group\.rank but received 2/],
    [{ ...good, rank: "0" }, /for group\.rank/],
    [{ ...good, size: 0 }, /for group\.size/],
    [{ ...good, master: "a:1" }, /\{ host, port \} for group\.master/],
    [{ ...good, master: { host: "a", port: 65536 } }, /for group\.master\.port/],
    [{ ...good, host: "" }, /for group\.host/],
    [{ ...good, timeout: 0 }, /for group\.timeout/],
    [{ ...good, agentStore: 1 }, /true or false for group\.agentStore/],
  ];
  for (const [group, message] of wrong) {
    const load = createModule(CONFIG, { group: group as LaunchOption });
    await t.throwsAsync(async () => await load, { code: "BAD_INPUT", message });
  }
  for (const options of [{ isolate: true }, { dataParallel: 2 }, { threads: 2 }]) {
    const load = createModule(CONFIG, { group: good, ...options });
    await t.throwsAsync(async () => await load, { code: "BAD_INPUT", message: /beside the group/ });
  }
});
