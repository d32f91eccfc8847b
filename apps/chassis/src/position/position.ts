import { QuartetError } from "../error/quartet-error.ts";

/** A place in a database's history, taken after COMMIT: whoever reads at or past it sees what was committed. */
export interface Position {
  readonly systemId: string;
  readonly timeline: number;
  /** 64-bit WAL location. As text it does not order. */
  readonly lsn: bigint;
}

const form = /^(\d{1,20})-(\d{1,10})-([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/;

/** `systemId-timeline-X/Y`, as the `Quartet-Position` header carries it. */
export function formatPosition(position: Position): string {
  return `${position.systemId}-${position.timeline}-${formatWalLocation(position.lsn)}`;
}

/** @throws QuartetError `invalid_argument` when the text is no position. */
export function parsePosition(text: string): Position {
  const position = parseIfPosition(text);
  if (position !== undefined) return position;
  throw new QuartetError("invalid_argument", "Quartet-Position is not of the form an answer gave.", {
    field: "Quartet-Position",
    fix: "Send the header back as it came, or leave it out.",
  });
}

/** The position, or undefined when the text is none. */
export function parseIfPosition(text: string): Position | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, systemId = "", timeline = "", high = "", low = ""] = match;
  return { systemId, timeline: Number(timeline), lsn: parseWalLocation(`${high}/${low}`) };
}

/** `X/Y` in hexadecimal, as Postgres writes a WAL location. */
export function parseWalLocation(text: string): bigint {
  const [high = "0", low = "0"] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function formatWalLocation(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}
