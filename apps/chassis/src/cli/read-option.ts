import { InvalidArgumentError } from "commander";

/** Parsers of option values. Each throws what commander tells the user, with the option's name. */

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const isoDuration = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/;

/** Milliseconds of `250ms`, `10s`, `5m`, `24h`, `7d`, or ISO 8601 without months and years, such as `PT10S`. */
export function readDurationMs(text: string): number {
  const short = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (short !== null) return Number(short[1]) * unitMs[short[2] as keyof typeof unitMs];
  const iso = /\d/.test(text) ? isoDuration.exec(text) : null;
  if (iso === null)
    throw new InvalidArgumentError("It takes a duration such as 250ms, 10s, 5m, 24h, 7d or PT10S.");
  const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
  return Math.round(
    (days ?? 0) * unitMs.d + (hours ?? 0) * unitMs.h + (minutes ?? 0) * unitMs.m + (seconds ?? 0) * 1_000,
  );
}

/** 0001-01-01T00:00:00Z: messages have no time before. */
const earliestMs = -62_135_596_800_000;

/** A time by RFC 3339, or a duration before now. */
export function readTime(text: string): Date {
  const isTime = /^\d{4}-\d\d-\d\d/.test(text);
  if (isTime || /^(\d|P)/.test(text)) {
    const time = new Date(isTime ? text : Date.now() - readDurationMs(text));
    if (time.getTime() >= earliestMs) return time;
  }
  throw new InvalidArgumentError(
    "It takes a time such as 2031-05-01T12:00:00Z, or a duration before now such as 2h.",
  );
}

/** A whole number from 1. */
export function readCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It takes a whole number from 1.");
}

export function readRate(text: string): number {
  const rate = Number(text);
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text) && rate > 0) return rate;
  throw new InvalidArgumentError("It takes a number a second, such as 50 or 0.5.");
}

/** As {@link readRate}; 0: no limit. */
export function readRateLimit(text: string): number {
  return text === "0" ? 0 : readRate(text);
}

export function readSequence(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("It takes a sequence of the log, a whole number.");
}

/** Where in the log to begin. */
export type StartOption =
  | { readonly case: "fromBeginning"; readonly value: true }
  | { readonly case: "fromTime"; readonly value: Date }
  | { readonly case: "fromSequence"; readonly value: bigint };

/** `beginning`, a sequence, or a time as {@link readTime} reads it. Undefined: `now`. */
export function readStart(text: string): StartOption | undefined {
  if (text === "now") return undefined;
  if (text === "beginning") return { case: "fromBeginning", value: true };
  if (/^\d+$/.test(text)) return { case: "fromSequence", value: readSequence(text) };
  return { case: "fromTime", value: readTime(text) };
}

/** For an option that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** One of a set of words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new InvalidArgumentError(`It takes one of: ${words.join(", ")}.`);
    return word;
  };
}
