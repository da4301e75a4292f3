/** Files that find no room: a typed error, and nothing under the name. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { ended } from "../ended.js";
import { temporaryFolder } from "./videos.js";

const SCRIPT = fileURLToPath(new URL("./no_room_writer.ts", import.meta.url));
const unixTest = process.platform === "win32" ? test.skip : test;
const folder = temporaryFolder();

/** Writes noise to a path in a process whose files may have so many blocks of 512 bytes. */
async function write(path: string, frames: number, blocks: number): Promise<string> {
  const command = `ulimit -f ${blocks}; exec "$0" --import=tsx "$1" "$2" "$3"`;
  const words = [process.execPath, SCRIPT, path, String(frames)];
  const left = await ended(spawn("sh", ["-c", command, ...words], { stdio: "pipe" }));
  return left.stdout.trim();
}

for (const ending of ["mp4", "webm", "gif", "webp", "y4m"]) {
  unixTest(
    `${ending}: no room is BAD_INPUT with NO_SPACE, and the former file stays`,
    async (t) => {
      const own = join(folder, ending);
      mkdirSync(own);
      const path = join(own, `clip.${ending}`);
      writeFileSync(path, "former");
      t.is(await write(path, 8, 20), "BAD_INPUT NO_SPACE");
      t.deepEqual(readdirSync(own), [`clip.${ending}`]);
      t.is(readFileSync(path, "utf8"), "former");
    },
  );
}

unixTest("a folder of frames that finds no room is not there", async (t) => {
  const own = join(folder, "frames");
  mkdirSync(own);
  t.is(await write(join(own, "clip"), 3, 8), "BAD_INPUT NO_SPACE");
  t.deepEqual(readdirSync(own), []);
});

unixTest("a picture that finds no room leaves the former one", async (t) => {
  const own = join(folder, "picture");
  mkdirSync(own);
  const path = join(own, "a.png");
  writeFileSync(path, "former");
  t.is(await write(path, 1, 8), "BAD_INPUT NO_SPACE");
  t.deepEqual(readdirSync(own), ["a.png"]);
  t.is(readFileSync(path, "utf8"), "former");
  t.is(await write(path, 1, 1000), "written");
  t.not(readFileSync(path, "latin1"), "former");
});
