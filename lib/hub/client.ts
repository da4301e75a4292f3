/** Questions to a hub about one model. */
import { TorchsightError } from "../core/errors.js";
import { type HubName, isIdentifier } from "../core/hub-cache.js";
import { type Asked, damaged, Patience, refusal, unreachable } from "./answers.js";
import { endpointOf, type HubOptions, tokenOf } from "./settings.js";

const MOST_REDIRECTS = 10;

/** A file of a model as the hub lists it. */
export interface HubFile {
  /** Its name, with folders. */
  readonly path: string;
  readonly bytes: number;
  /** What names the content: the SHA-256 of a large file, git's own SHA-1 of others. */
  readonly content: string;
  /** The SHA-256 of the content, where the hub tells it. */
  readonly sha256?: string;
}

/** A model on a hub. Its failures are typed, and those that may pass are tried again. */
export class HubClient {
  readonly endpoint: string;
  readonly #hub: HubName;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #retries: number;
  readonly #signal: AbortSignal;

  constructor(hub: HubName, options: HubOptions, signal: AbortSignal) {
    this.endpoint = endpointOf(options);
    this.#hub = hub;
    this.#token = tokenOf(options);
    this.#fetch = options.fetch ?? fetch;
    this.#retries = options.retries ?? 4;
    this.#signal = signal;
  }

  /** The commit that the revision stands for now. */
  async commit(): Promise<string> {
    const { modelInfo } = await import("@huggingface/hub");
    const { sha } = await this.patience().run(() =>
      modelInfo({ ...this.#hub, additionalFields: ["sha"], ...this.#library }).catch(this.#typed),
    );
    if (isIdentifier(sha)) return sha;
    throw this.#nonsense("a commit");
  }

  /** The files of a commit. */
  async files(commit: string, { folders = false } = {}): Promise<HubFile[]> {
    const { listFiles } = await import("@huggingface/hub");
    const question = { repo: this.#hub.name, revision: commit, recursive: folders };
    const list = async () => {
      const files: HubFile[] = [];
      for await (const { type, path, size, oid, lfs } of listFiles({
        ...question,
        ...this.#library,
      })) {
        const content = lfs?.oid ?? oid;
        const bytes = lfs?.size ?? size;
        if (type !== "file") continue;
        if (typeof path !== "string" || !isIdentifier(content) || !Number.isSafeInteger(bytes)) {
          throw this.#nonsense("a list of files");
        }
        files.push({ path, bytes, content, ...(lfs && { sha256: lfs.oid }) });
      }
      return files;
    };
    return await this.patience().run(() => list().catch(this.#typed));
  }

  /** Asks once for the bytes of a file from `first` on; the answer may still be the whole file. */
  async open(file: HubFile, commit: string, first: number): Promise<Response> {
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    const url = new URL(`${this.endpoint}/${this.#hub.name}/resolve/${commit}/${path}`);
    const headers = {
      // Compressed bytes could not be counted.
      "accept-encoding": "identity",
      ...(first > 0 && { range: `bytes=${first}-` }),
    };
    return await this.#follow(url, { headers }, (response) => {
      const content = response.headers.get("x-linked-etag")?.replace(/^W\/|"/g, "");
      if (content === undefined || content === file.content) return;
      throw damaged("ETAG", `the content ${file.content}`, file.path, content);
    });
  }

  patience(): Patience {
    return new Patience(this.#retries, this.#signal);
  }

  /** How the library is told whom to ask. */
  get #library() {
    const request: typeof fetch = (input, init) =>
      this.#follow(new URL(input instanceof Request ? input.url : input), init);
    return { hubUrl: this.endpoint, fetch: request };
  }

  /**
   * Follows redirects one by one, so that the token goes to the hub and to no other host. A hub's
   * own answers are shown to `look` on the way.
   */
  async #follow(
    start: URL,
    init: RequestInit = {},
    look?: (response: Response) => void,
  ): Promise<Response> {
    const { origin } = new URL(this.endpoint);
    const asked: Asked = { endpoint: this.endpoint, hub: this.#hub, token: this.#token };
    let url = start;
    for (let hop = 0; hop <= MOST_REDIRECTS; hop += 1) {
      const headers = new Headers(init.headers);
      if (this.#token !== undefined && url.origin === origin) {
        headers.set("authorization", `Bearer ${this.#token}`);
      }
      const options: RequestInit = { ...init, headers, redirect: "manual", signal: this.#signal };
      const response = await this.#fetch(url.href, options).catch((error) => {
        throw unreachable(url.origin, error);
      });
      const next = response.headers.get("location");
      const moved = response.status >= 300 && response.status < 400 && next !== null;
      if (!moved && response.ok) {
        if (url.origin === origin) look?.(response);
        return response;
      }
      // A body that nobody reads would hold its connection.
      await response.body?.cancel();
      if (!moved) throw refusal(response, url, asked);
      if (url.origin === origin) look?.(response);
      if (!URL.canParse(next, url.href)) throw this.#nonsense("a place to go on to");
      url = new URL(next, url);
    }
    throw this.#nonsense(`a file within ${MOST_REDIRECTS} redirects`);
  }

  /** What the library throws of its own: it could not read the answer, or not to its end. */
  #typed = (error: unknown): never => {
    if (error instanceof TorchsightError || this.#signal.aborted) throw error;
    const broken = error instanceof TypeError && error.cause !== undefined;
    if (broken) throw unreachable(this.endpoint, error);
    throw this.#nonsense("JSON of the hub's API", error);
  };

  #nonsense(expected: string, cause?: unknown): TorchsightError {
    return new TorchsightError(
      "NOT_FOUND",
      `expected ${expected} from ${this.endpoint} for ${this.#hub.name} but received something ` +
        "else: check HF_ENDPOINT",
      { reason: "NO_HUB", cause },
    );
  }
}
