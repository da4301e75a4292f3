import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { expandSources } from "../../lib/media/sources.js";
import { temporaryFolder } from "./videos.js";

const folder = temporaryFolder();

/** Makes a folder of files with a letter each; names that end in a slash are folders. */
function folderOf(name: string, ...names: string[]): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const entry of names) {
    if (entry.endsWith("/")) mkdirSync(join(path, entry));
    else writeFileSync(join(path, entry), "x");
  }
  return path;
}

async function expanded(...paths: string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { file, kind } of expandSources(paths)) found.push(`${kind} ${file}`);
  return found;
}

test("a folder gives its pictures and videos, sorted as people sort", async (t) => {
  const path = folderOf(
    "mixed",
    ...["frame10.png", "frame2.png", "Frame1.JPG", "b.webp", "a.mp4", "c.tiff", "d.GIF"],
    ...[".hidden.png", "notes.txt", "model.ts", "noending", "inner.png/", "e.svg"],
  );
  writeFileSync(join(path, "inner.png", "deep.png"), "x");
  symlinkSync(join(path, "nowhere.png"), join(path, "dangling.png"));
  symlinkSync(join(path, "b.webp"), join(path, "link.webp"));
  t.deepEqual(
    await expanded(path),
    [
      ...["video a.mp4", "image b.webp", "image c.tiff", "image d.GIF", "image Frame1.JPG"],
      ...["image frame2.png", "image frame10.png", "image link.webp"],
    ].map((entry) => entry.replace(" ", ` ${path}/`)),
  );
});

test("the order is one, also for names that count the same", async (t) => {
  const names = ["a001.png", "a01.png", "a1.png"];
  const path = folderOf("same", ...names.toReversed());
  t.deepEqual(
    await expanded(path),
    names.map((name) => `image ${join(path, name)}`),
  );
});

test("several paths come in the order given, again where they are given again", async (t) => {
  const path = folderOf("several", "2.png", "1.png");
  const file = join(path, "2.png");
  t.deepEqual(await expanded(file, path, file), [
    `image ${file}`,
    `image ${join(path, "1.png")}`,
    `image ${file}`,
    `image ${file}`,
  ]);
});

test("a file named directly is a picture unless it is a video", async (t) => {
  const path = folderOf("direct", "a.txt", "b", "c.MOV", ".hidden.png");
  writeFileSync(join(path, "matroska"), Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0, 0]));
  for (const [name, kind] of [
    ["a.txt", "image"],
    ["b", "image"],
    ["c.MOV", "video"],
    [".hidden.png", "image"],
    ["matroska", "video"],
  ] as const) {
    t.deepEqual(await expanded(join(path, name)), [`${kind} ${join(path, name)}`]);
  }
});

test("a missing path is told of before anything is given", async (t) => {
  const path = folderOf("present", "a.png");
  const sources = expandSources([path, join(folder, "none")]);
  await t.throwsAsync(sources.next(), { code: "NOT_FOUND", message: /none$/ });
});

test("a folder without pictures, and no paths at all, are refused", async (t) => {
  for (const path of [folderOf("bare"), folderOf("others", "a.txt", ".b.png", "c.png/")]) {
    await t.throwsAsync(expanded(path), {
      code: "BAD_INPUT",
      message: /expected pictures or videos in the folder .* but received none/,
    });
  }
  await t.throwsAsync(expanded(), { code: "BAD_INPUT" });
  await t.throwsAsync(expanded(5 as unknown as string), { code: "BAD_INPUT" });
});
