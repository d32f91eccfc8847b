import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

interface Sizes {
  /** The most that each generation had, in MiB. */
  readonly young: number;
  readonly old: number;
}

const asOnLargeMachine = ["--max-semi-space-size=64", "--max-old-space-size=4096", "--input-type=module"];

/** Makes objects that live for a while, as a relay's events do, in a process of its own. */
async function churn(prepare: string): Promise<Sizes> {
  const script = `import { getHeapSpaceStatistics } from "node:v8";
import { setImmediate } from "node:timers/promises";
import { boundHeap } from ${JSON.stringify(new URL("./bound-heap.ts", import.meta.url).href)};
${prepare}
const kept = [];
const most = { young: 0, old: 0 };
for (let turn = 0; turn < 3_000; turn++) {
  for (let index = 0; index < 1_000; index++) kept[(turn * 1_000 + index) % 150_000] = { turn, of: [index, turn] };
  await setImmediate();
  const sizeOf = (name) => getHeapSpaceStatistics().find((space) => space.space_name === name).space_size / 2 ** 20;
  most.young = Math.max(most.young, sizeOf("new_space"));
  most.old = Math.max(most.old, sizeOf("old_space"));
}
console.log(JSON.stringify(most));`;
  const { stdout } = await promisify(execFile)(process.execPath, [...asOnLargeMachine, "-e", script]);
  return JSON.parse(stdout) as Sizes;
}

describe("boundHeap", () => {
  test("keeps both generations smaller than V8 would", async () => {
    const [free, bounded] = await Promise.all([churn(""), churn("boundHeap();")]);
    expect(bounded.young).toBeLessThanOrEqual(free.young / 2);
    expect(bounded.young).toBeLessThanOrEqual(64);
    expect(bounded.young + bounded.old).toBeLessThan((free.young + free.old) * 0.75);
  });

  test("lets the young generation grow to where it is bounded", async () => {
    expect((await churn("boundHeap();")).young).toBeGreaterThanOrEqual(32);
  });
});
