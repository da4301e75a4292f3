/** Paths: where an object is in each frame, as its program has it. */
import { type Phase, Whereabouts } from "./program.js";
import type { Random } from "./random.js";
import { onCircle } from "./turns.js";

/** An object's pose in each frame shown. Lengths are in short sides of the picture. */
export interface Path {
  x: Float64Array;
  y: Float64Array;
  /** Times its radius; 1 where it is largest. */
  scale: Float64Array;
  /** Clockwise. */
  turn: Float64Array;
  /** 0 while it is switched off. */
  on: Uint8Array;
}

/** Which frames of the world are shown, and how fast those go by. */
export interface Timing {
  /** Frames shown. */
  frames: number;
  stride: number;
  /** Frames a second of the world. */
  fps: number;
}

/** A pose at one moment, which a motion changes. */
interface Pose {
  x: number;
  y: number;
  scale: number;
  turn: number;
  on: boolean;
}

/** A motion begun at a pose: the pose at a frame of the phase, and how far that is through it. */
type Motor = (progress: number, frame: number) => Partial<Pose>;

/** How far objects travel, and the radius that they orbit at, in short sides of the picture. */
const TRAVEL = [0.25, 0.45] as const;
const ORBIT = [0.1, 0.16] as const;
/** The smaller of two sizes of an object that grows or shrinks. */
const SHRUNK = 0.55;
const TURNS_A_SECOND = 0.35;
/** A turn that shows even in a phase of few frames. */
const LEAST_TURN = 0.1;
/** Seconds from one blink to the next, half of them off, and from one orbit to the next. */
const BLINK = 0.5;
const ORBIT_SECONDS = 2;
const BOUNCE_SECONDS = 1.5;
/** Initial turns lie between this and its negative. */
const TILT = 1 / 24;

/** The path of an object that moves alone, about wherever it will be placed. */
export function drawPath(random: Random, phases: readonly Phase[], timing: Timing): Path {
  const path = emptyPath(timing.frames);
  const travel = { across: random.real(...TRAVEL), upright: random.real(...TRAVEL) };
  const whereabouts = new Whereabouts();
  let pose: Pose = { x: 0, y: 0, scale: 1, turn: random.real(-TILT, TILT), on: true };
  for (const phase of phases) {
    const motor = startMotor(random, phase, pose, travel, whereabouts, timing);
    showPhase(path, phase, timing, (progress, frame) => ({ ...pose, ...motor(progress, frame) }));
    pose = { ...pose, ...motor(1, phase.end - phase.first - 1), on: true };
    whereabouts.enter(phase.motion);
  }
  const largest = Math.max(...path.scale);
  for (let frame = 0; frame < timing.frames; frame += 1) path.scale[frame]! /= largest;
  return path;
}

/** The share of their greatest distance that two who meet and part have in each frame. */
export function distances(phases: readonly Phase[], timing: Timing): Float64Array {
  const path = emptyPath(timing.frames);
  let apart = phases[0]!.motion === "meet" ? 1 : 0;
  for (const phase of phases) {
    const goal = { meet: 0, part: 1 }[phase.motion as string] ?? apart;
    const from = apart;
    showPhase(path, phase, timing, (progress) => ({ x: from + (goal - from) * progress }));
    apart = goal;
  }
  return path.x;
}

/** A path that stays where it is. */
export function restingPath(random: Random, frames: number): Path {
  const path = emptyPath(frames);
  path.turn.fill(random.real(-TILT, TILT));
  return path;
}

function emptyPath(frames: number): Path {
  const zeros = () => new Float64Array(frames);
  const [x, y, turn] = [zeros(), zeros(), zeros()];
  return { x, y, turn, scale: zeros().fill(1), on: new Uint8Array(frames).fill(1) };
}

/** Notes the poses of the frames of a phase that are shown. */
function showPhase(path: Path, phase: Phase, { frames, stride }: Timing, motor: Motor): void {
  const length = phase.end - phase.first;
  const first = Math.ceil(phase.first / stride);
  for (let shown = first; shown < frames && shown * stride < phase.end; shown += 1) {
    const frame = shown * stride - phase.first;
    // Both ends of a motion lie within its phase.
    const pose = motor(length === 1 ? 0 : frame / (length - 1), frame);
    for (const key of ["x", "y", "scale", "turn"] as const) {
      if (pose[key] !== undefined) path[key][shown] = pose[key];
    }
    if (pose.on === false) path.on[shown] = 0;
  }
}

type Travel = Record<"across" | "upright", number>;

function startMotor(
  random: Random,
  { motion, first, end }: Phase,
  { x, y, scale, turn }: Pose,
  travel: Travel,
  whereabouts: Whereabouts,
  { fps }: Timing,
): Motor {
  const length = end - first;
  const rounds = (seconds: number) => {
    return Math.max(1, Math.min(Math.round(length / fps / seconds), Math.floor(length / 4)));
  };
  switch (motion) {
    case "left":
      return (progress) => ({ x: x - travel.across * progress });
    case "right":
      return (progress) => ({ x: x + travel.across * progress });
    case "up":
      return (progress) => ({ y: y - travel.upright * progress });
    case "down":
      return (progress) => ({ y: y + travel.upright * progress });
    case "bounce": {
      const axis = random.pick(["across", "upright"] as const);
      const end = whereabouts.at(axis) || random.sign();
      whereabouts.settle(axis, end);
      const times = rounds(BOUNCE_SECONDS);
      return (progress) => {
        const round = progress * times - Math.floor(progress * times);
        const away = -end * travel[axis] * (1 - Math.abs(1 - 2 * round));
        return axis === "across" ? { x: x + away } : { y: y + away };
      };
    }
    case "orbit": {
      const radius = random.real(...ORBIT);
      const [start, ways] = [random.real(0, 1), random.sign() * rounds(ORBIT_SECONDS)];
      const [dx, dy] = onCircle(start);
      return (progress) => {
        const [u, v] = onCircle(start + ways * progress);
        return { x: x + radius * (u - dx), y: y + radius * (v - dy) };
      };
    }
    case "spin": {
      const whole = Math.max((TURNS_A_SECOND * length) / fps, LEAST_TURN) * random.sign();
      return (progress) => ({ turn: turn + whole * progress });
    }
    case "blink": {
      const half = Math.max(1, Math.min(Math.round((BLINK * fps) / 2), Math.floor(length / 2)));
      return (_, frame) => ({ on: Math.floor(frame / half) % 2 === 0 });
    }
    case "grow":
      return (progress) => ({ scale: scale * (1 + (1 / SHRUNK - 1) * progress) });
    case "shrink":
      return (progress) => ({ scale: scale * (1 + (SHRUNK - 1) * progress) });
    default:
      return () => ({});
  }
}
