// The contract of contract.py for Node.js and Bun: announce, and publish by the clock.

import { createInterface } from "node:readline";

const LEAD = 50_000_000n;

// CLOCK_MONOTONIC in nanoseconds. Node's hrtime is that clock; Bun's counts from its own start,
// so there the distance between the two is taken once.
const monotonic = process.versions.bun ? await bunClock() : process.hrtime.bigint;

async function bunClock() {
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
  const now = new BigInt64Array(2);
  symbols.clock_gettime(1, ptr(now));
  const distance = now[0] * 1_000_000_000n + now[1] - process.hrtime.bigint();
  return () => process.hrtime.bigint() + distance;
}

// Timers take whole milliseconds; rounded down, a message would leave before it is due.
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, Math.ceil(milliseconds)));

function payload(due, number, size) {
  return `@${String(due).padStart(19, "0")} ${String(number).padStart(10, "0")} `.padEnd(size, "x");
}

const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");

/** Announce that connections are accepted. */
export function ready(port, version) {
  say({ event: "ready", port, pids: [process.pid], version });
}

/** Carry out the commands on standard input until it ends; `publish` takes one burst of strings. */
export async function obey(publish) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [, messages, size, burst, rate] = line.split(" ").map(Number);
    const start = monotonic() + LEAD;
    let late = 0n;
    for (let first = 0; first < messages; first += burst) {
      const due = start + BigInt(Math.floor((first / rate) * 1e9));
      const payloads = [];
      for (let n = first; n < Math.min(first + burst, messages); n++) payloads.push(payload(due, n, size));
      await sleep(Number(due - monotonic()) / 1e6);
      const behind = monotonic() - due;
      if (behind > late) late = behind;
      publish(payloads);
    }
    say({ event: "published", messages, late: Number(late) / 1e9 });
  }
  process.exit(0);
}
