// What the machine must have for a native build, told at once and all together.
import { findPip } from "../../lib/install/fetch.js";
import { findLibtorch } from "../../lib/install/libtorch.js";
import { Stop, works } from "../shared.mjs";

const COMPILER_REMEDY = {
  darwin: "xcode-select --install",
  win32: "install Visual Studio's Build Tools with the C++ workload",
  linux: "apt-get install g++, or your distribution's equivalent",
};
const CMAKE_REMEDY = {
  darwin: "brew install cmake",
  win32: "winget install Kitware.CMake",
  linux: "apt-get install cmake, or your distribution's equivalent",
};
const MAKE_REMEDY = "apt-get install ninja-build, or your distribution's equivalent";

/** Throws a {@link Stop} that lists everything that is missing and how to get it. */
export async function checkMachine() {
  const checks = [compilerProblem(), cmakeProblem(), makeProblem(), pipProblem()];
  const problems = (await Promise.all(checks)).filter((problem) => problem !== undefined);
  if (problems.length === 0) return;
  throw new Stop(`this machine lacks what the build needs:\n  - ${problems.join("\n  - ")}`);
}

function remedy(table) {
  return table[process.platform] ?? table.linux;
}

async function anyWorks(commands) {
  for (const command of commands) if (command && (await works(command, "--version"))) return true;
  return false;
}

async function compilerProblem() {
  // cmake finds Visual Studio by itself, so its compiler need not be on PATH.
  if (process.platform === "win32") return undefined;
  if (await anyWorks([process.env.CXX, "c++", "g++", "clang++"])) return undefined;
  return `a C++20 compiler: ${remedy(COMPILER_REMEDY)}`;
}

async function cmakeProblem() {
  if (await anyWorks(["cmake"])) return undefined;
  return `cmake 3.18 or newer: ${remedy(CMAKE_REMEDY)}`;
}

async function makeProblem() {
  if (process.platform === "win32") return undefined;
  if (await anyWorks(["ninja", "make"])) return undefined;
  return `ninja or make: ${MAKE_REMEDY}`;
}

async function pipProblem() {
  if (findLibtorch() || (await findPip())) return undefined;
  return (
    "python3 with pip to fetch libtorch: apt-get install python3-pip, " +
    "or set TORCHSIGHT_LIBTORCH to a libtorch folder"
  );
}
