import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { download } from "../../lib/install/fetch.js";
import { temporaryFolder } from "./helpers.js";

const CONTENT = Buffer.alloc(1 << 20, "torch");
const DIGEST = createHash("sha256").update(CONTENT).digest("hex");

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/torch.whl`;
}

test("a download of the right digest is kept, with its progress told", async (t) => {
  const url = await serve(t, (_request, response) => {
    response.setHeader("content-length", CONTENT.length);
    response.end(CONTENT);
  });
  const file = join(temporaryFolder(t), "torch.whl");
  const lines: string[] = [];
  await download(url, DIGEST, file, (line: string) => lines.push(line));
  t.true(readFileSync(file).equals(CONTENT));
  t.is(lines.at(-1), "100 % of 1 MB");
});

test("another digest is refused", async (t) => {
  const url = await serve(t, (_request, response) => response.end("something else"));
  const file = join(temporaryFolder(t), "torch.whl");
  await t.throwsAsync(download(url, DIGEST, file, t.log), {
    name: "InstallError",
    message: new RegExp(`${DIGEST.slice(0, 12)}… but received`),
  });
});

test("an answer other than success is told", async (t) => {
  const url = await serve(t, (_request, response) => response.writeHead(403).end());
  const file = join(temporaryFolder(t), "torch.whl");
  await t.throwsAsync(download(url, DIGEST, file, t.log), { message: /it answered 403/ });
});

test("no answer at all is told", async (t) => {
  const file = join(temporaryFolder(t), "torch.whl");
  const gone = download("http://127.0.0.1:1/torch.whl", DIGEST, file, t.log);
  await t.throwsAsync(gone, { message: /could not be reached/ });
});
