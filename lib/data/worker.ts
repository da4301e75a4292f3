/** A thread that makes rows for a loader; see `pool.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import type { Answer, Request } from "./pool.js";
import { type Packed, Producer, type ProducerOptions } from "./producer.js";

// Of the whole process, as libvips has it: pictures side by side gain more than parts of one.
sharp.concurrency(1);

const opened = Producer.open(workerData.options as ProducerOptions);
// Answered to each request, in `make`.
opened.catch(() => {});

async function make({ id, task }: Request): Promise<void> {
  try {
    const packed = await (await opened).produce(task);
    parentPort!.postMessage({ id, packed } satisfies Answer, buffersOf(packed));
  } catch (error) {
    const { code = "INTERNAL", message } = error as { code?: string; message: string };
    parentPort!.postMessage({ id, failed: { code, message } } satisfies Answer);
  }
}

/** Memory that is given away instead of copied. */
function buffersOf({ arrays }: Packed): ArrayBuffer[] {
  return Object.values(arrays).map(({ data }) => data.buffer as ArrayBuffer);
}

parentPort!.on("message", (request: Request) => void make(request));
