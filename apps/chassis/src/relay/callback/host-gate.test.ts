import { expect, test } from "vitest";
import { HostGate, mostUnderWay } from "./host-gate.ts";

function fail(gate: HostGate, times: number, nowMs: number): void {
  for (let index = 0; index < times; index++) {
    if (gate.enter(nowMs).kind === "go") gate.leave(nowMs, false, 100);
  }
}

test("a host has so many under way at once, and the others get turns", () => {
  const gate = new HostGate();
  for (let index = 0; index < mostUnderWay; index++) expect(gate.enter(0)).toEqual({ kind: "go" });
  expect([gate.enter(0), gate.enter(0)]).toEqual([
    { kind: "busy", waitMs: 512.5 },
    { kind: "busy", waitMs: 525 },
  ]);
  gate.leave(1, true, 100);
  expect(gate.enter(1)).toEqual({ kind: "go" });
});

test("a host that answers none of five in a row is silent, is asked after two seconds, then after four", () => {
  const gate = new HostGate();
  fail(gate, 4, 0);
  gate.leave(0, gate.enter(0).kind === "go", 100);
  fail(gate, 4, 0);
  expect(gate.enter(0)).toEqual({ kind: "go" });
  gate.leave(0, false, 100);
  expect(gate.enter(500)).toEqual({ kind: "silent", waitMs: 2_000 });
  expect(gate.enter(2_000)).toEqual({ kind: "go" });
  // One at a time.
  expect(gate.enter(2_000)).toMatchObject({ kind: "silent" });
  gate.leave(3_000, false, 100);
  expect(gate.enter(6_999)).toMatchObject({ kind: "silent" });
  expect(gate.enter(7_000)).toEqual({ kind: "go" });
  gate.leave(7_000, true, 100);
  for (let index = 0; index < mostUnderWay; index++) expect(gate.enter(7_000)).toEqual({ kind: "go" });
});

test("those that were under way when it fell silent make its pause no longer", () => {
  const gate = new HostGate();
  for (let index = 0; index < mostUnderWay; index++) gate.enter(0);
  for (let index = 0; index < mostUnderWay; index++) gate.leave(10_000, false, 100);
  expect(gate.enter(11_999)).toMatchObject({ kind: "silent" });
  expect(gate.enter(12_000)).toEqual({ kind: "go" });
});

test("one that was cut off says nothing of its host, and leaves its place", () => {
  const gate = new HostGate();
  fail(gate, 5, 0);
  expect(gate.enter(2_000)).toEqual({ kind: "go" });
  gate.leave(2_000, undefined, 100);
  expect([gate.isIdle, gate.enter(2_000)]).toEqual([true, { kind: "go" }]);
});

test("however many wait for a slow host, they come back about as fast as it takes them", () => {
  const gate = new HostGate();
  // Eight at once for a second each.
  for (let round = 0; round < 8; round++) {
    for (let index = 0; index < mostUnderWay; index++) gate.enter(round * 1_000);
    for (let index = 0; index < mostUnderWay; index++) gate.leave((round + 1) * 1_000, true, 1_000);
  }
  const nowMs = 8_000;
  for (let index = 0; index < mostUnderWay; index++) gate.enter(nowMs);
  const waits = Array.from({ length: 10_000 }, (_, at) => {
    const admission = gate.enter(nowMs, (at % 100) / 100);
    return admission.kind === "go" ? 0 : admission.waitMs;
  });
  const within = (fromMs: number, toMs: number) => waits.filter((ms) => ms >= fromMs && ms < toMs).length;
  expect([within(0, 500), within(60_001, 1e9)]).toEqual([0, 0]);
  for (let second = 1; second < 29; second++) {
    expect(within(second * 1_000, (second + 1) * 1_000)).toBeLessThanOrEqual(9);
  }
});
