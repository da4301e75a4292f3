/** The variables by which `torchsight launch` tells each process its rank. */
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

const MASTER = "127.0.0.1";

/** What torchrun tells, where this program runs under it. */
const OTHERS = /^(TORCHELASTIC_\w+|GROUP_(RANK|WORLD_SIZE)|ROLE_(RANK|NAME|WORLD_SIZE))$/;

/** A port of this machine that nothing listens at now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, MASTER, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/**
 * What each of `count` ranks finds in its environment: this program's own variables and those that
 * torchrun sets. Ranks share the processor's threads, unless `OMP_NUM_THREADS` is set.
 */
export function rankEnvironments(count: number, port: number): NodeJS.ProcessEnv[] {
  const kept = Object.entries(process.env).filter(([name]) => !OTHERS.test(name));
  const threads = Math.max(1, Math.floor(availableParallelism() / count));
  return Array.from({ length: count }, (_, rank) => ({
    OMP_NUM_THREADS: String(threads),
    ...Object.fromEntries(kept),
    RANK: String(rank),
    WORLD_SIZE: String(count),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(count),
    MASTER_ADDR: MASTER,
    MASTER_PORT: String(port),
  }));
}
