import { randomBytes } from "node:crypto";
import { parseIfPosition } from "../position/position.ts";

/** The positions that a browser's request brought. */
export interface BroughtPositions {
  /** Names of the cookies. */
  readonly names: readonly string[];
  /** The furthest of them. */
  readonly position: string | undefined;
}

/**
 * Reads the cookies `name` and `name.…` of a request. What is no position counts as none, and is cleaned away with the
 * next answer: cookies are whatever the browser has.
 *
 * @param header the `Cookie` header
 */
export function readPositionCookies(header: string | undefined, name: string): BroughtPositions {
  const names: string[] = [];
  let position: string | undefined;
  for (const pair of (header ?? "").split(";")) {
    const at = pair.indexOf("=");
    const found = pair.slice(0, at).trim();
    if (at < 0 || (found !== name && !found.startsWith(`${name}.`))) continue;
    names.push(found);
    position = furthest(position, pair.slice(at + 1).trim());
  }
  return { names, position };
}

/**
 * The `Set-Cookie` values by which a browser keeps the furthest place of what its request brought and what it is answered.
 *
 * Answers to parallel requests arrive in any order, and the last one overwrites a cookie of one name. So each answer sets
 * a cookie of its own name, and deletes those whose places are in it; the furthest of all that are left counts. There are
 * never more of them than answers that were under way at once.
 *
 * @param reached the answer is a read at or past what was brought. When it tells an earlier place all the same, what was
 * brought is in nobody's past: a forgery, or of a database that was put back. It would send each read to the crud class.
 */
export function positionCookies(
  name: string,
  brought: BroughtPositions,
  answered: string | undefined,
  secure: boolean,
  reached: boolean,
): readonly string[] {
  const before = reached && parseIfPosition(answered ?? "") !== undefined ? undefined : brought.position;
  const position = answered === undefined ? before : mergeAnswer(before, answered);
  if (position === undefined) return [];
  if (position === brought.position && brought.names.length === 1) return [];
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  const own = `${name}.${randomBytes(4).toString("hex")}`;
  return [
    `${own}=${position}${attributes}`,
    ...brought.names.map((old) => `${old}=${attributes}; Max-Age=0`),
  ];
}

/** The answer's, unless what was brought is further in the same history: whoever answered knows of promotions. */
function mergeAnswer(brought: string | undefined, answered: string): string | undefined {
  const [before, now] = [parseIfPosition(brought ?? ""), parseIfPosition(answered)];
  if (before === undefined || now === undefined) return now === undefined ? brought : answered;
  const isSame = before.systemId === now.systemId && before.timeline === now.timeline;
  return isSame && before.lsn > now.lsn ? brought : answered;
}

/** Of one system's positions the one on the newest timeline, and of these the furthest. */
function furthest(one: string | undefined, other: string): string | undefined {
  const [a, b] = [parseIfPosition(one ?? ""), parseIfPosition(other)];
  if (a === undefined || b === undefined) return b === undefined ? one : other;
  const isFurther = b.timeline === a.timeline ? b.lsn > a.lsn : b.timeline > a.timeline;
  return isFurther ? other : one;
}
