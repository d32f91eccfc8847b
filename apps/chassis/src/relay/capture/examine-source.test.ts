import { expect, test } from "vitest";
import { examineSource } from "./examine-source.ts";
import type { ServerReport, SlotReport, SourceReport } from "./source-report.ts";

const now = new Date("2031-01-02T03:04:05Z");
const server: ServerReport = {
  inRecovery: false,
  walLevel: "logical",
  maxKeptBytes: 2 ** 31,
  canFailOver: true,
  publicationExists: true,
};
const slot: SlotReport = {
  plugin: "pgoutput",
  ofThisDatabase: true,
  active: true,
  walStatus: "reserved",
  invalidationReason: undefined,
  lagBytes: 4096,
  safeBytes: 2 ** 31,
  failover: true,
  synced: false,
};
const well: SourceReport = {
  slotName: "quartet_shop_main",
  server,
  slot,
  verdict: { kind: "ok" },
  lastRepair: undefined,
};

test("all well is one finding", () => {
  expect(examineSource(well, now)).toEqual([{ level: "ok", what: "slot quartet_shop_main is 4 kB behind" }]);
});

test.each<[string, SourceReport, string]>([
  ["a replica", { ...well, server: { ...server, inRecovery: true }, verdict: undefined }, "failure"],
  ["a server without logical WAL", { ...well, server: { ...server, walLevel: "replica" } }, "failure"],
  ["a missing publication", { ...well, server: { ...server, publicationExists: false } }, "failure"],
  [
    "a server that keeps WAL without limit",
    { ...well, server: { ...server, maxKeptBytes: undefined } },
    "warning",
  ],
  ["an outbox nobody captured", { ...well, verdict: undefined, slot: undefined }, "warning"],
  [
    "a repair that is due",
    { ...well, slot: undefined, verdict: { kind: "repair", reason: "gone", logWasRestored: false } },
    "failure",
  ],
  ["a slot of somebody else", { ...well, slot: { ...slot, plugin: "test_decoding" } }, "failure"],
  ["a slot that nobody reads", { ...well, slot: { ...slot, active: false } }, "warning"],
  ["a slot that is about to be lost", { ...well, slot: { ...slot, walStatus: "unreserved" } }, "failure"],
  ["a slot far behind", { ...well, slot: { ...slot, lagBytes: 2 ** 30 } }, "warning"],
  ["a slot that does not fail over", { ...well, slot: { ...slot, failover: false } }, "warning"],
  ["a recent repair", { ...well, lastRepair: { at: now, reason: "gone", count: 3 } }, "warning"],
])("%s is told first, with its level", (_, report, level) => {
  const worst = examineSource(report, now).filter((finding) => finding.level !== "ok");
  expect(worst).toEqual([expect.objectContaining({ level })]);
});

test("a repair that found nothing, or is long ago, is well", () => {
  const repairs = [
    { at: now, reason: "the slot is missing", count: 0 },
    { at: new Date(0), reason: "the slot is missing", count: 9 },
  ];
  for (const lastRepair of repairs) {
    expect(examineSource({ ...well, lastRepair }, now).map(({ level }) => level)).toEqual(["ok", "ok"]);
  }
});
