/** Which hub is asked, and as whom: options first, then the environment as Python reads it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { expand, hubHome } from "../core/hub-cache.js";

const ENDPOINT = "https://huggingface.co";

/** How a hub is reached. */
export interface HubOptions {
  /** Address of the hub. Default `HF_ENDPOINT`, else https://huggingface.co. */
  endpoint?: string | undefined;
  /**
   * An access token, which only the hub itself is ever told. Default `HF_TOKEN`, else what
   * `hf auth login` has stored, unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set.
   */
  token?: string | undefined;
  /** What makes requests, e.g. through a proxy. Default the `fetch` of Node.js. */
  fetch?: typeof fetch | undefined;
  /** How often a request that got no answer, or half of one, is made again. Default 4. */
  retries?: number | undefined;
}

/** The hub's address without a slash at its end. Throws `BAD_INPUT` for what is none. */
export function endpointOf(options: HubOptions, env: NodeJS.ProcessEnv = process.env): string {
  const text = options.endpoint ?? (env.HF_ENDPOINT || ENDPOINT);
  if (typeof text !== "string" || !/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw invalidArgument("the endpoint", "an address such as https://huggingface.co", text);
  }
  return text.replace(/\/+$/, "");
}

/** The access token, if there is one. Throws `BAD_INPUT` for what no header can hold. */
export function tokenOf(
  options: HubOptions,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const token = (options.token ?? impliedToken(env))?.trim();
  if (!token) return undefined;
  // The value stays out of the message: it is a secret.
  if (/[^\x21-\x7e]/.test(token)) {
    throw new TorchsightError("BAD_INPUT", "expected an access token of printable characters");
  }
  return token;
}

/** Whether the environment forbids requests: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`. */
export function isOffline(env: NodeJS.ProcessEnv = process.env): boolean {
  return isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE);
}

/** Whether the cache is to hold files in place of links: `HF_HUB_DISABLE_SYMLINKS`. */
export function withoutLinks(env: NodeJS.ProcessEnv = process.env): boolean {
  return isTrue(env.HF_HUB_DISABLE_SYMLINKS);
}

function impliedToken(env: NodeJS.ProcessEnv): string | undefined {
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const named = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  if (named) return named;
  const file = env.HF_TOKEN_PATH ? expand(env.HF_TOKEN_PATH, env) : join(hubHome(env), "token");
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Whoever has not logged in has no such file, and public models need no token.
    return undefined;
  }
}

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}
