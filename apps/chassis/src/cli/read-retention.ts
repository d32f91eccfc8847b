import { defaultRetention, type RetentionSettings } from "../relay/housekeeping/retention-settings.ts";
import { readDurationMs } from "./read-option.ts";

const names = {
  log: "logKeepSeconds",
  hold: "logHoldSeconds",
  outbox: "outboxKeepSeconds",
  inbox: "inboxKeepSeconds",
  operations: "operationKeepSeconds",
  sagas: "sagaKeepSeconds",
  attempts: "attemptKeepSeconds",
} as const;

const hourSeconds = 3_600;

/**
 * Reads `QUARTET_RETENTION`: what is kept for how long, such as `log=3d,hold=14d,outbox=3d`. What is not named has its
 * default. Faults are added to `faults`.
 */
export function readRetention(text: string, faults: string[]): RetentionSettings {
  const settings = { ...defaultRetention };
  for (const part of text.split(",")) {
    const [, name = "", duration = ""] = /^\s*([a-z]+)\s*=\s*(\S+)\s*$/.exec(part) ?? [];
    const seconds = parseSeconds(duration);
    if (!Object.hasOwn(names, name) || seconds === undefined) {
      const known = Object.keys(names).join(", ");
      faults.push(
        `QUARTET_RETENTION: "${part.trim()}" is not one of ${known} and a duration from 1h, such as log=7d`,
      );
    } else settings[names[name as keyof typeof names]] = seconds; // Object.hasOwn has looked
  }
  if (settings.logHoldSeconds < settings.logKeepSeconds) {
    faults.push("QUARTET_RETENTION: hold is shorter than log: events would be dropped before they may be");
  }
  return settings;
}

function parseSeconds(text: string): number | undefined {
  try {
    const seconds = Math.floor(readDurationMs(text) / 1_000);
    return seconds >= hourSeconds ? seconds : undefined;
  } catch {
    return undefined;
  }
}
