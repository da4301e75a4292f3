/** What is told of a path before frames for it are made. */
import { join } from "node:path";
import test from "ava";
import { readyFor } from "../../lib/media/frames_writer.js";
import { temporaryFolder } from "./videos.js";

const folder = temporaryFolder();

test.serial("a path that frames can be written to", async (t) => {
  t.is(await readyFor(join(folder, "a.mp4"), 2), "video");
  t.is(await readyFor(join(folder, "a.png"), 1), "picture");
  t.is(await readyFor(join(folder, "a"), 2), "folder");
});

test.serial("no ffmpeg, no folder, no form", async (t) => {
  const before = process.env.TORCHSIGHT_FFMPEG;
  process.env.TORCHSIGHT_FFMPEG = join(folder, "none");
  t.teardown(() => {
    if (before === undefined) delete process.env.TORCHSIGHT_FFMPEG;
    else process.env.TORCHSIGHT_FFMPEG = before;
  });
  const refused = async (name: string, code: string, message: RegExp) => {
    await t.throwsAsync(readyFor(join(folder, name), 2), { code, message });
  };
  await refused("a.mp4", "NOT_FOUND", /TORCHSIGHT_FFMPEG/);
  await refused(join("no", "a.mp4"), "NOT_FOUND", /no folder/);
  await refused("a.txt", "BAD_INPUT", /a\.txt/);
  t.is(await readyFor(join(folder, "frames"), 2), "folder");
});
