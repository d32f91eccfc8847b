import type { ServerReport, SlotReport, SourceReport } from "./source-report.ts";

/** What a report says, in words, and what to do about it. */
export interface SourceFinding {
  /** `ok`: as it should be. `warning`: it works, and somebody should look. `failure`: events do not flow, or are at risk. */
  readonly level: "ok" | "warning" | "failure";
  readonly what: string;
  /** What mends it: a command, or SQL. */
  readonly fix?: string;
}

const mebibyte = 1024 * 1024;
/** Above it, somebody should know why. */
const lagWarningBytes = 256 * mebibyte;
const recentMs = 24 * 60 * 60 * 1_000;

/** Turns a report into findings: one at least. */
export function examineSource(report: SourceReport, now: Date): readonly SourceFinding[] {
  return [...examineServer(report.server), ...examineCapture(report), ...examineRepair(report, now)];
}

function examineServer(server: ServerReport): SourceFinding[] {
  const findings: SourceFinding[] = [];
  if (server.inRecovery) {
    const what = "the server is a replica: an outbox is captured from its primary";
    findings.push({
      level: "failure",
      what,
      fix: "Give the relay the primary's URL, or promote this server.",
    });
  }
  if (server.walLevel !== "logical") {
    const fix = "alter system set wal_level = logical; and restart the server";
    findings.push({
      level: "failure",
      what: `wal_level is ${server.walLevel}: nothing can be captured`,
      fix,
    });
  }
  if (!server.publicationExists) {
    findings.push({ level: "failure", what: "the outbox' publication is missing", fix: "quartet apply" });
  }
  if (server.maxKeptBytes === undefined) {
    const what = "max_slot_wal_keep_size has no limit: a slot that nobody reads fills the disk";
    const fix = "alter system set max_slot_wal_keep_size = '10GB'; select pg_reload_conf()";
    findings.push({ level: "warning", what, fix });
  }
  return findings;
}

function examineCapture({ slotName, slot, server, verdict }: SourceReport): SourceFinding[] {
  if (verdict === undefined) {
    if (server.inRecovery) return [];
    return [{ level: "warning", what: "no relay has captured this outbox yet", fix: "quartet relay" }];
  }
  const findings: SourceFinding[] = [];
  if (verdict.kind === "repair") {
    const fix = "A running relay repairs it from the outbox table by itself; its log tells what hinders it.";
    findings.push({ level: "failure", what: `a repair is due: ${verdict.reason}`, fix });
  }
  if (slot !== undefined && slot.invalidationReason === undefined) {
    findings.push(...examineSlot(slotName, slot, server));
  }
  return findings;
}

function examineSlot(name: string, slot: SlotReport, server: ServerReport): SourceFinding[] {
  if (slot.plugin !== "pgoutput" || !slot.ofThisDatabase) {
    const fix = `select pg_drop_replication_slot('${name}'), if nobody needs it`;
    return [{ level: "failure", what: `slot ${name} belongs to another database or plugin`, fix }];
  }
  const findings: SourceFinding[] = [];
  const lag = slot.lagBytes ?? 0;
  const behind = `slot ${name} is ${formatBytes(lag)} behind`;
  if (!slot.active) {
    const fix = "quartet relay; its log tells what hinders it.";
    findings.push({ level: "warning", what: `nobody reads slot ${name}: it holds back WAL`, fix });
  }
  if (slot.walStatus === "unreserved") {
    const fix = "alter system set max_slot_wal_keep_size to more; select pg_reload_conf()";
    findings.push({ level: "failure", what: `${behind} and will be lost at the next checkpoint`, fix });
  } else if (lag > lagWarningBytes || slot.walStatus === "extended") {
    const left = slot.safeBytes === undefined ? "" : `; it is lost after ${formatBytes(slot.safeBytes)} more`;
    findings.push({ level: "warning", what: `${behind}${left}` });
  }
  if (server.canFailOver && !slot.failover) {
    const what = `slot ${name} is not copied to standbys: a promotion is followed by a repair`;
    const fix = `ALTER_REPLICATION_SLOT ${name} (FAILOVER true) on a replication connection`;
    findings.push({ level: "warning", what, fix });
  }
  return findings.length > 0 ? findings : [{ level: "ok", what: behind }];
}

function examineRepair({ lastRepair }: SourceReport, now: Date): SourceFinding[] {
  if (lastRepair === undefined) return [];
  const { at, reason, count } = lastRepair;
  const recent = count > 0 && now.getTime() - at.getTime() < recentMs;
  const what = `repaired at ${at.toISOString()}, ${count} events were missing: ${reason}`;
  return [{ level: recent ? "warning" : "ok", what }];
}

function formatBytes(bytes: number): string {
  if (bytes < mebibyte) return `${Math.max(0, Math.round(bytes / 1024))} kB`;
  return `${(bytes / mebibyte).toFixed(1)} MB`;
}
