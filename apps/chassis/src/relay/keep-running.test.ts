import { pino } from "pino";
import { expect, test } from "vitest";
import { QuartetError } from "../error/quartet-error.ts";
import { keepRunning } from "./keep-running.ts";

const logger = pino({ level: "silent" });

test("a part that throws is run again until it ends by itself", async () => {
  let runs = 0;
  await keepRunning("test", logger, new AbortController().signal, async () => {
    runs += 1;
    if (runs < 3) throw new Error("not yet");
  });
  expect(runs).toBe(3);
});

test("a part that has lost its lease, or is to stop, is not run again", async () => {
  let runs = 0;
  await keepRunning("test", logger, new AbortController().signal, async () => {
    runs += 1;
    throw new QuartetError("lease_lost", "Another relay has it.");
  });
  expect(runs).toBe(1);
  const controller = new AbortController();
  await keepRunning("test", logger, controller.signal, async () => {
    controller.abort();
    throw new Error("cut off");
  });
  expect(runs).toBe(1);
});
