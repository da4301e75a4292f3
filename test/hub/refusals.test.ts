/** Refusals, trouble, tokens: what a hub may answer besides files. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { TorchsightError } from "../../lib/core/errors.js";
import { pull } from "../../lib/hub/index.js";
import { FakeHub, ownCache, refuse, TINY, WEIGHTS } from "./server.js";

const CACHE = ownCache();

for (const [what, name, options] of [
  ["a path", "./model", {}],
  ["a way up", "../model", {}],
  ["a bare name", "model", {}],
  ["a hostile revision", "org/x", { revision: "../x" }],
  ["two revisions", "org/x@a", { revision: "b" }],
  ["no endpoint", "org/x", { endpoint: "ftp://x" }],
  ["half a try", "org/x", { retries: 0.5 }],
  ["no files", "org/x", { files: [] }],
  ["a token of two lines", "org/x", { token: "hf_a\nb" }],
] as const) {
  test(`wrong use: ${what}`, async (t) => {
    const error = await t.throwsAsync(pull(name, options), { code: "BAD_INPUT" });
    t.notRegex(error?.message ?? "", /hf_/, "a token is never told");
  });
}

const FAILURES: [what: string, status: number, code: string, reason: string, message: RegExp][] = [
  ["an unknown model", 404, "RepoNotFound", "NO_SUCH_MODEL", /has no org\/f at .* main: check/],
  ["an unknown revision", 404, "RevisionNotFound", "NO_REVISION", /org\/f has no revision main/],
  ["a private model", 401, "RepoNotFound", "UNAUTHORIZED", /everybody may read: .* HF_TOKEN/],
  [
    "a gated model",
    403,
    "GatedRepo",
    "GATED",
    /gated: accept its terms at http.*\/org\/f, .*TOKEN/,
  ],
  ["a forbidden model", 403, "", "UNAUTHORIZED", /HF_TOKEN/],
  ["an answer that makes no sense", 418, "", "REFUSED", /answered 418/],
  ["a hub in trouble", 503, "", "UNREACHABLE", /cannot be reached \(it answered 503\): .* again/],
];

for (const [what, status, code, reason, message] of FAILURES) {
  test(`${what}: typed, and it says what to do`, async (t) => {
    const hub = await FakeHub.start(t);
    hub.fault = (_asked, response) => {
      refuse(response, status, code);
      return true;
    };
    const error = await t.throwsAsync(pull("org/f", hub.options()), { code: "NOT_FOUND", message });
    t.is((error as TorchsightError).reason, reason);
  });
}

test("a hub that has another model, or no such revision, without any fault", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/known", TINY);
  const other = await t.throwsAsync(pull("org/unknown", hub.options()));
  t.is((other as TorchsightError).reason, "NO_SUCH_MODEL");
  const options = hub.options({ revision: "v9" });
  const revision = await t.throwsAsync(pull("org/known", options));
  t.is((revision as TorchsightError).reason, "NO_REVISION");
});

test("no hub at all: typed, and it says what to do", async (t) => {
  const hub = await FakeHub.start(t);
  await hub.stop();
  const error = await t.throwsAsync(pull("org/x", hub.options()), {
    code: "NOT_FOUND",
    message:
      /^http:\/\/127.* cannot be reached \(ECONNREFUSED\): check the network and HF_ENDPOINT/,
  });
  t.is((error as TorchsightError).reason, "UNREACHABLE");
});

test("something that is no hub: typed", async (t) => {
  const hub = await FakeHub.start(t);
  for (const text of ["<html>", "{}", '{"sha":"../x"}', "null"]) {
    hub.fault = (_asked, response) => {
      response.end(text);
      return true;
    };
    const error = await t.throwsAsync(pull("org/x", hub.options()), { code: "NOT_FOUND" }, text);
    t.is((error as TorchsightError).reason, "NO_HUB", text);
  }
});

test("a list with content that could lead elsewhere is refused", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/oid", TINY);
  hub.fault = ({ path }, response) => {
    if (!path.includes("/tree/")) return false;
    response.end(JSON.stringify([{ type: "file", path: "a", size: 1, oid: "../../x" }]));
    return true;
  };
  const error = await t.throwsAsync(pull("org/oid", hub.options()), { code: "NOT_FOUND" });
  t.is((error as TorchsightError).reason, "NO_HUB");
});

test("trouble that passes is waited for", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/trouble", TINY);
  const troubled = new Set<string>();
  hub.fault = ({ where, path }, response) => {
    if (troubled.has(where + path)) return false;
    troubled.add(where + path);
    refuse(response, 500, "");
    return true;
  };
  const { path } = await pull("org/trouble", hub.options({ retries: 2 }));
  t.true(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS));
  t.true(troubled.size > 4);
});

test("the token goes to the hub and nowhere else", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/token", TINY);
  await pull("org/token", hub.options({ token: "secret" }));
  const told = (where: string) =>
    new Set(hub.asked.filter((one) => one.where === where).map((one) => one.authorization));
  t.deepEqual([...told("hub")], ["Bearer secret"]);
  t.deepEqual([...told("cdn")], [undefined]);
});

test.serial("the token comes from HF_TOKEN, else from the file of Python's login", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/login", TINY);
  const token = async () => {
    hub.asked.length = 0;
    await pull("org/login", hub.options());
    return hub.asked[0]?.authorization;
  };
  t.is(await token(), undefined);
  const file = join(process.env.HF_HOME!, "token");
  writeFileSync(file, "hf_stored\n");
  try {
    t.is(await token(), "Bearer hf_stored");
    process.env.HF_TOKEN = "hf_named";
    t.is(await token(), "Bearer hf_named");
    process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN = "1";
    t.is(await token(), undefined);
  } finally {
    delete process.env.HF_TOKEN;
    delete process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN;
    writeFileSync(file, "");
  }
});

test("a fetch of one's own makes every request", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/fetch", TINY);
  const made: string[] = [];
  const own: typeof fetch = (input, init) => {
    made.push(String(input));
    return fetch(input, init);
  };
  await pull("org/fetch", hub.options({ fetch: own }));
  t.is(made.length, hub.asked.length);
});

test("a cache that cannot be written is told", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/blocked", TINY);
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, "models--org--blocked"), "a file where a folder is to be");
  await t.throwsAsync(pull("org/blocked", hub.options()), {
    code: "BAD_INPUT",
    message: /cannot be written .*HF_HUB_CACHE/,
  });
});
