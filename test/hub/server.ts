/** A hub on this machine: its API, its files, and a server for large files at another address. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { PullOptions } from "../../lib/hub/index.js";
import { fixture } from "../models/fixtures.js";

/** One request as it came in. */
export interface Asked {
  where: "hub" | "cdn";
  method: string;
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

/** Files by their names. */
export type Files = Record<string, Buffer>;

/** Answers in place of the hub; false leaves the answer to it. */
export type Fault = (asked: Asked, response: ServerResponse, content: Buffer) => boolean;

interface Commit {
  sha: string;
  files: Files;
}

export const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

/** git's name of a file's content. */
export function gitBlob(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

const BASE = fixture("vit22b", "base");
export const CONFIG = readFileSync(join(BASE, "config.json"));
export const WEIGHTS = readFileSync(join(BASE, "model.safetensors"));

/** A model with more files than are needed. */
export const TINY: Files = {
  "README.md": Buffer.from("# A model"),
  "config.json": CONFIG,
  "model.safetensors": WEIGHTS,
  "preprocessor_config.json": Buffer.from("{}"),
  "pytorch_model.bin": Buffer.from("a pickle"),
  "vocab.json": Buffer.from('{"a":0}'),
};

const isLarge = (name: string) => name.endsWith(".safetensors");

/**
 * A cache of its own for the tests of a file, and nothing of the user's: call it first. Within the
 * file, each test takes a model of its own.
 */
export function ownCache(): string {
  const home = mkdtempSync(join(tmpdir(), "torchsight-hub-"));
  for (const name of Object.keys(process.env)) {
    if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
  }
  process.env.HF_HOME = home;
  test.after.always(() => rmSync(home, { recursive: true, force: true }));
  return join(home, "hub");
}

export class FakeHub {
  readonly asked: Asked[] = [];
  fault: Fault = () => false;
  endpoint = "";
  #cdn = "";
  readonly #servers: Server[] = [];
  readonly #commits = new Map<string, Commit>();

  /** Starts a hub that ends with the test. */
  static async start(t: ExecutionContext): Promise<FakeHub> {
    const hub = await FakeHub.open();
    t.teardown(() => hub.stop());
    return hub;
  }

  /** Starts a hub that has to be stopped. */
  static async open(): Promise<FakeHub> {
    const hub = new FakeHub();
    hub.endpoint = await hub.#listen((asked, answer) => hub.#answer("hub", asked, answer));
    hub.#cdn = await hub.#listen((asked, answer) => hub.#answer("cdn", asked, answer));
    return hub;
  }

  /** Ends it: nothing listens at its address any more. */
  async stop(): Promise<void> {
    for (const server of this.#servers.splice(0)) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  }

  /** Makes `files` what a revision of a model has; returns the commit. */
  publish(name: string, files: Files, revision = "main"): string {
    const text = Object.entries(files).map(([file, content]) => file + sha256(content));
    const sha = createHash("sha1")
      .update(name + text.join())
      .digest("hex");
    for (const key of [revision, sha]) this.#commits.set(`${name}@${key}`, { sha, files });
    return sha;
  }

  /** How to pull from it. */
  options(more: PullOptions = {}): PullOptions {
    return { endpoint: this.endpoint, retries: 0, ...more };
  }

  /** Requests for the content of a file. */
  asksFor(file: string): Asked[] {
    return this.asked.filter(({ path }) => path.endsWith(`/${file}`));
  }

  async #listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #answer(where: Asked["where"], request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", this.endpoint);
    const path = decodeURIComponent(url.pathname);
    const { range, authorization } = request.headers;
    const asked = { where, method: request.method ?? "", path, range, authorization };
    this.asked.push(asked);
    const [, name = "", revision = "", file = ""] = ROUTES.flatMap((r) => r.exec(path) ?? []);
    const commit = this.#commits.get(`${name}@${revision}`);
    const content = commit?.files[file];
    if (this.fault(asked, response, content ?? Buffer.alloc(0))) return;
    if (commit) response.setHeader("x-repo-commit", commit.sha);
    if (!commit) {
      const known = [...this.#commits.keys()].some((key) => key.startsWith(`${name}@`));
      refuse(response, 404, known ? "RevisionNotFound" : "RepoNotFound");
    } else if (path.startsWith("/api/")) {
      json(response, path.includes("/tree/") ? treeOf(commit) : infoOf(name, commit));
    } else if (!content) {
      refuse(response, 404, "EntryNotFound");
    } else if (where === "hub" && isLarge(file)) {
      response.setHeader("x-linked-size", content.length);
      response.setHeader("x-linked-etag", `"${sha256(content)}"`);
      response.writeHead(302, { location: `${this.#cdn}${url.pathname}?signed` }).end();
    } else {
      response.setHeader("etag", `"${where === "cdn" ? "of-the-cdn" : gitBlob(content)}"`);
      sendContent(response, content, range);
    }
  }
}

/** `/api/models/NAME/revision|tree/REVISION` and `/NAME/resolve/REVISION/FILE`. */
const ROUTES = [
  /^\/api\/models\/([^/]+\/[^/]+)\/(?:revision|tree)\/([^?]+)$/,
  /^\/(?!api\/)([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/,
];

/** Sends the content or the part of it that is asked for; at most `most` bytes before it ends. */
export function sendContent(
  response: ServerResponse,
  content: Buffer,
  range: string | undefined,
  most = Number.POSITIVE_INFINITY,
): void {
  const first = range === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
  if (first >= content.length && content.length > 0) {
    response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    return;
  }
  if (range !== undefined) {
    response.setHeader("content-range", `bytes ${first}-${content.length - 1}/${content.length}`);
  }
  const part = content.subarray(first);
  response.writeHead(range === undefined ? 200 : 206, { "content-length": part.length });
  if (part.length <= most) response.end(part);
  else response.write(part.subarray(0, most), () => response.socket?.end());
}

export function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "x-error-code": code }).end();
}

function infoOf(name: string, { sha }: Commit) {
  return {
    _id: "0",
    id: name,
    sha,
    private: false,
    gated: false,
    lastModified: "2025-01-01T00:00:00.000Z",
  };
}

function treeOf({ files }: Commit) {
  return Object.entries(files).map(([path, content]) => ({
    type: "file",
    path,
    size: content.length,
    oid: gitBlob(isLarge(path) ? Buffer.from("a pointer") : content),
    ...(isLarge(path) && {
      lfs: { oid: sha256(content), size: content.length, pointerSize: 130 },
    }),
  }));
}

function json(response: ServerResponse, document: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
}
