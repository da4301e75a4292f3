/** Writes `lib/core/ops.generated.ts` from the operators of the libtorch that the addon loads. */
import { writeFileSync } from "node:fs";
import { addon } from "../lib/native/load.js";
import { declarations, type Schemas } from "./ops-declarations.js";

const native = addon();
const schemas: Schemas = new Map(
  native.operatorNames().map((name) => [name, native.overloads(name)] as const),
);
const target = new URL("../lib/core/ops.generated.ts", import.meta.url);
const text = declarations(schemas, native.versions().libtorch);
writeFileSync(target, text);
console.error(`${schemas.size} operators, ${Math.round(text.length / 1024)} kB`);
