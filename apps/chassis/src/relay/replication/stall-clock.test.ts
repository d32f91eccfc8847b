import { expect, test } from "vitest";
import type { DecoderState } from "./decoder-state.ts";
import { toLsn } from "./lsn.ts";
import { StallClock } from "./stall-clock.ts";
import type { StreamProgress } from "./stream-progress.ts";

const progress = (changes: Partial<StreamProgress> = {}): StreamProgress => ({
  dataBytes: 100,
  walEnd: toLsn(0n),
  paused: false,
  bufferedBytes: 0,
  ...changes,
});

const idle: DecoderState = { counters: "1 2 3", working: false };

/** A clock whose heartbeat, at 1000, is out and that has stood still for one second. */
function waitingClock(): StallClock {
  const clock = new StallClock();
  clock.advance(1_000, progress());
  clock.heartbeatEmitted(toLsn(1_000n));
  stand(clock, idle);
  return clock;
}

/** One second in which nothing was seen of the stream but this. */
function stand(clock: StallClock, decoder: DecoderState, seen = progress()): void {
  if (clock.advance(1_000, seen)) clock.standsStill(1_000, decoder);
}

test("is quiet for as long as no data comes, whatever keepalives say", () => {
  const clock = new StallClock();
  stand(clock, idle);
  stand(clock, idle, progress({ walEnd: toLsn(5n) }));
  stand(clock, idle, progress({ walEnd: toLsn(9n) }));
  expect(clock.quietMs).toBe(2_000); // the first second brought the data
  stand(clock, idle, progress({ dataBytes: 101 }));
  expect(clock.quietMs).toBe(0);
});

test("without a heartbeat nothing is stalled", () => {
  const clock = new StallClock();
  for (let second = 0; second < 100; second++) stand(clock, idle);
  expect(clock.stalledMs).toBe(0);
});

test("is stalled while a heartbeat is out and the server does nothing", () => {
  const clock = waitingClock();
  stand(clock, idle);
  stand(clock, idle);
  expect(clock.stalledMs).toBe(3_000);
});

test("data ends the waiting, and so does a consumer that holds back", () => {
  for (const seen of [progress({ dataBytes: 101 }), progress({ paused: true })]) {
    const clock = waitingClock();
    stand(clock, idle, seen);
    expect(clock).toMatchObject({ waiting: false, stalledMs: 0, quietMs: 0 });
  }
});

test("a server that counts what it decodes is not stalled", () => {
  const clock = waitingClock();
  for (let second = 0; second < 100; second++) stand(clock, { counters: `${second}`, working: false });
  expect(clock.stalledMs).toBe(0);
});

test("keepalives that name more of the WAL are progress until they have passed the heartbeat", () => {
  const clock = waitingClock();
  for (const end of [500n, 1_000n, 1_001n]) {
    stand(clock, idle, progress({ walEnd: toLsn(end) }));
    expect(clock.stalledMs).toBe(0);
  }
  // It says it has sent the heartbeat, and has not.
  for (const end of [2_000n, 3_000n]) stand(clock, idle, progress({ walEnd: toLsn(end) }));
  expect(clock.stalledMs).toBe(2_000);
});

test("time runs slowly while the server seems to compute, but it runs", () => {
  const clock = waitingClock();
  for (let second = 0; second < 60; second++) stand(clock, { ...idle, working: true });
  expect(clock.stalledMs).toBeCloseTo(4_000);
});
