/** A small ViT-22B for tests over several ranks, whose programs read the same file. */
import { readFileSync } from "node:fs";

const FILE = new URL("small_vit.json", import.meta.url);

export const SMALL_VIT: object = JSON.parse(readFileSync(FILE, "utf8"));
