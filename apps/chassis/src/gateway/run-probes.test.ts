import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { runProbes } from "./open-gateway.ts";
import { openStranger } from "./test-door.ts";

test("a process that takes connections and answers nothing is left out, until it answers", async () => {
  await using stack = new AsyncDisposableStack();
  const state = { hangs: true };
  const hung = stack.use(await openStranger((_, response) => void (state.hangs || response.end())));
  const well = stack.use(await openStranger((_, response) => void response.end()));
  const upstreams = stack.use(
    new ClassUpstreams({ crud: [], micro: [], lambda: [], nano: [hung.url, well.url] }),
  );
  const stop = new AbortController();
  const probing = runProbes(upstreams, pino({ level: "silent" }), stop.signal);
  const asked = () =>
    upstreams
      .of("nano")
      .candidates()
      .map(({ url }) => url)
      .sort();
  await expect.poll(asked, { timeout: 4_000 }).toEqual([well.url]);
  // Over several rounds of probes.
  for (let look = 0; look < 20; look++) {
    await delay(100);
    expect(asked()).toEqual([well.url]);
  }
  state.hangs = false;
  await expect.poll(asked, { timeout: 4_000 }).toEqual([hung.url, well.url].sort());
  stop.abort();
  await probing;
});
