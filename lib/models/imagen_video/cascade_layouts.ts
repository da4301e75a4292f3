/** The published cascade, arXiv 2210.02303, figure 6 and table 1. */
import { type CascadeConfig, parseCascade } from "./cascade_config.js";
import { type ImagenVideoConfig, type ImagenVideoVariant, variant } from "./config.js";

/** A cascade and its networks' configs, by the names of the stages. */
export interface CascadeLayout {
  cascade: CascadeConfig;
  networks: Readonly<Record<string, ImagenVideoConfig>>;
}

/** Steps of table 1; what it does not publish (gamma, noise on small videos) is the default. */
const BASE = { sampler: { kind: "ancestral", steps: 256 }, guidance: 6 } as const;
const LARGER = { sampler: { kind: "ancestral", steps: 128 }, guidance: 6 } as const;
const THRESHOLD = { percentile: 0.995 } as const;

const STAGES: readonly [
  name: ImagenVideoVariant,
  kind: "base" | "time" | "space",
  frames: number,
  height: number,
  width: number,
][] = [
  ["base", "base", 16, 24, 40],
  ["tsr1", "time", 32, 24, 40],
  ["ssr1", "space", 32, 48, 80],
  ["ssr2", "space", 32, 192, 320],
  ["tsr2", "time", 64, 192, 320],
  ["tsr3", "time", 128, 192, 320],
  ["ssr3", "space", 128, 768, 1280],
];

/** 16 frames of 24 x 40 at 3 a second to 128 of 768 x 1280 at 24, in seven stages. */
export function publishedCascade(): CascadeLayout {
  const stages = STAGES.map(([name, kind, frames, height, width]) => ({
    ...(kind === "base" ? BASE : LARGER),
    ...{ name, kind, frames, height, width, fps: (3 * frames) / 16, threshold: THRESHOLD },
  }));
  const networks = STAGES.map(([name]) => [name, variant(name)]);
  return {
    cascade: parseCascade({ text: { folder: "text", max_length: 256 }, stages }),
    networks: Object.fromEntries(networks) as Record<string, ImagenVideoConfig>,
  };
}
