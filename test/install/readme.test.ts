import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { root, runNode } from "./helpers.js";

const readme = readFileSync(join(root, "README.md"), "utf8");

test("the example of the README runs as it is printed", async (t) => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const photo = join(root, "assets", "photos", "chelsea.jpg");
  // Inside the package, where its own name leads to it.
  const file = join(root, ".cache", "readme.ts");
  mkdirSync(join(root, ".cache"), { recursive: true });
  writeFileSync(file, example.replace('"photo.jpg"', JSON.stringify(photo)));
  const { code, stdout, stderr } = await runNode(["--import=tsx", file]);
  t.is(code, 0, stderr);
  t.regex(stdout, /^\[ 1, 256, 768 \]\nFloat32Array\(196608\)/);
  t.is(stderr.match(/^layer \d+ of 12$/gm)?.length, 12);
});

test("the links of the README and of the pages lead somewhere", (t) => {
  const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/install.md"];
  const docs = ["docs/architecture.md", "docs/errors.md", "docs/programs.md"];
  for (const page of [...pages, ...docs]) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(link)) continue;
      t.true(existsSync(join(root, page, "..", link)), `${page}: ${link}`);
    }
  }
});
