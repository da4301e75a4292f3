/** What answers of a hub, or their lack, mean: errors, and whether to ask again. */
import { setTimeout as sleep } from "node:timers/promises";
import { TorchsightError } from "../core/errors.js";
import type { HubName } from "../core/hub-cache.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;
/** A hub that asks for more patience is not waited for. */
const LONGEST_WISH_MS = 60_000;
/** Reason of failures that may be gone at the next try. */
const UNREACHABLE = "UNREACHABLE";
/** Too slow, too many requests, and trouble on the other side. */
const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Who is asked for what; messages name both. */
export interface Asked {
  readonly endpoint: string;
  readonly hub: HubName;
  readonly token: string | undefined;
}

/** The error of a request without a usable answer. */
export function unreachable(what: string, why: unknown, retryAfter?: number): TorchsightError {
  const { cause } = why instanceof Error ? why : {};
  const { code, message } = (cause ?? why) as { code?: string; message?: string };
  const text = typeof why === "string" ? why : code || message || String(why);
  return new TorchsightError(
    "NOT_FOUND",
    `${what} cannot be reached (${text}): check the network and HF_ENDPOINT, then try again; ` +
      "what was downloaded so far is kept",
    { reason: UNREACHABLE, retryAfter, cause: why },
  );
}

/** The error of an answer that is not what was asked for. */
export function refusal(response: Response, url: URL, asked: Asked): TorchsightError {
  const { status, headers } = response;
  const { endpoint, token } = asked;
  const { name, revision } = asked.hub;
  if (PASSING_STATUS.has(status)) {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    const wish = seconds >= 0 ? seconds * 1000 : undefined;
    return unreachable(url.origin, `it answered ${status}`, wish);
  }
  if (status === 416) {
    return damaged("RANGE", "more bytes", decodeURIComponent(url.pathname), "none");
  }
  const failed = (reason: string, message: string) =>
    new TorchsightError("NOT_FOUND", message, { reason });
  const code = headers.get("x-error-code");
  if (code === "GatedRepo") {
    return failed(
      "GATED",
      `${name} is gated: accept its terms at ${endpoint}/${name}, and set HF_TOKEN to a token ` +
        "of that account",
    );
  }
  if (status === 401 || status === 403) {
    return failed(
      "UNAUTHORIZED",
      token === undefined
        ? `${endpoint} has no ${name} that everybody may read: check the name, or set HF_TOKEN ` +
            "to a token that may read it"
        : `the access token may not read ${name} on ${endpoint}: check the name and HF_TOKEN`,
    );
  }
  if (code === "RevisionNotFound") {
    return failed("NO_REVISION", `${name} has no revision ${revision} on ${endpoint}`);
  }
  if (status === 404) {
    return failed(
      "NO_SUCH_MODEL",
      `${endpoint} has no ${name} at the revision ${revision}: check the names; private models ` +
        "need HF_TOKEN",
    );
  }
  return failed("REFUSED", `${url.origin} answered ${status} when asked for ${name}`);
}

/** The error of content that is not what the hub announced. */
export function damaged(
  reason: string,
  expected: string,
  what: string,
  received: string,
): TorchsightError {
  return new TorchsightError(
    "BAD_CHECKPOINT",
    `expected ${expected} for ${what} but received ${received}; nothing of it was kept`,
    { reason },
  );
}

/** Decides after each failure whether to try again, and waits in between. */
export class Patience {
  #failures = 0;

  constructor(
    private readonly retries: number,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Returns when it is time for the next try; throws `error` where there is to be none.
   *
   * @param progress - whether the try brought something: then it counts as the first failure
   */
  async after(error: unknown, progress = false): Promise<void> {
    const passing = error instanceof TorchsightError && error.reason === UNREACHABLE;
    if (!passing || this.signal.aborted) throw error;
    this.#failures = progress ? 1 : this.#failures + 1;
    const wish = error.retryAfter ?? 0;
    if (this.#failures > this.retries || wish > LONGEST_WISH_MS) throw error;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    await sleep(Math.max(pause, wish), undefined, { signal: this.signal });
  }

  /** Runs `work` until it succeeds or fails for good. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.after(error);
      }
    }
  }
}
