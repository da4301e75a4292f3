import test from "ava";
import { nvidiaWheels, parseRequirement } from "../../scripts/steps/cuda_libtorch.mjs";

const parse = (text: string) =>
  text
    .split("\n")
    .map(parseRequirement)
    .filter((found) => found !== undefined);

const TOOLKIT = parse(`Name: cuda-toolkit
Requires-Dist: nvidia-cublas==13.1.1.*; (sys_platform == 'linux') and extra == 'all'
Requires-Dist: nvidia-cublas==13.1.1.*; (sys_platform == 'linux') and extra == 'cublas'
Requires-Dist: nvidia-cuda-runtime==13.0.96.*; (sys_platform == 'linux') and extra == 'nvcc'
Requires-Dist: nvidia-cuda-runtime==13.0.96.*; (sys_platform == 'linux') and extra == 'cudart'
Requires-Dist: nvidia-cuda-nvcc==13.0.88.*; (sys_platform == 'linux') and extra == 'nvcc'
Requires-Dist: nvidia-npp==13.0.1.*; (sys_platform == 'linux') and extra == 'npp'`);

test("requirements of wheels are read", (t) => {
  t.deepEqual(parseRequirement('Requires-Dist: a-b[c, d]==1.2; platform_system == "Linux"'), {
    name: "a-b",
    extras: ["c", "d"],
    version: "==1.2",
    extra: undefined,
  });
  t.deepEqual(parseRequirement("Requires-Dist: filelock"), {
    name: "filelock",
    extras: [],
    version: "",
    extra: undefined,
  });
  t.is(parseRequirement("Requires-Dist: x (>=1,<2) ; extra == 'dev'")?.version, ">=1,<2");
  t.is(parseRequirement("Requires-Dist: x (>=1,<2) ; extra == 'dev'")?.extra, "dev");
  t.is(parseRequirement("Requires-Python: >=3.10"), undefined);
});

test("NVIDIA's wheels are those that torch names, and the compiler's", async (t) => {
  const torch = parse(`Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"
Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == "Linux"
Requires-Dist: nvidia-nccl-cu13==2.30.7; platform_system == "Linux"
Requires-Dist: optree>=0.13.0; extra == "optree"`);
  const asked: string[] = [];
  const wheels = await nvidiaWheels(torch, async (toolkit: string) => {
    asked.push(toolkit);
    return TOOLKIT;
  });
  t.deepEqual(asked, ["cuda-toolkit==13.0.3"]);
  t.deepEqual(wheels, [
    "nvidia-cublas==13.1.1.*",
    "nvidia-cuda-nvcc==13.0.88.*",
    "nvidia-cuda-runtime==13.0.96.*",
    "nvidia-nccl-cu13==2.30.7",
  ]);
});

test("a torch without a toolkit gets the compiler of its runtime", async (t) => {
  const torch = parse("Requires-Dist: nvidia-cuda-runtime==13.0.48; platform_system == 'Linux'");
  const wheels = await nvidiaWheels(torch, () => t.fail());
  t.deepEqual(wheels, [
    "nvidia-cuda-crt==13.0.*",
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-runtime==13.0.48",
    "nvidia-nvvm==13.0.*",
  ]);
  const none = parse("Requires-Dist: filelock");
  await t.throwsAsync(async () => await nvidiaWheels(none, () => t.fail()), {
    message: /CUDA runtime/,
  });
});
