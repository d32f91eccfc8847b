import { type Position, parseWalLocation } from "./position.ts";

/** Where a server's history left earlier timelines: by timeline, the last location that it shares with that one. */
export type Timelines = ReadonlyMap<number, bigint>;

/**
 * What a position is to a server:
 * - `reached`: whoever reads there sees what was committed before the position;
 * - `behind`: not yet; it may come;
 * - `never`: another database system, or a part of another timeline that this one's history does not have: it was written
 *   to a server that lost a failover, and is in no server that follows the new primary.
 */
export type Standing = "reached" | "behind" | "never";

/**
 * Judges by timeline history. A promotion begins a new timeline at the location replayed so far: what an old position
 * names before that switch holds on the new timeline too, what it names past it never will.
 *
 * @param server where the server is
 * @param left what its history shares with older timelines; of one that is missing, nothing is known to be shared
 */
export function judgePosition(position: Position, server: Position, left: Timelines): Standing {
  if (position.systemId !== server.systemId) return "never";
  if (position.timeline > server.timeline) return "behind";
  if (position.timeline < server.timeline) {
    const shared = left.get(position.timeline);
    if (shared === undefined || position.lsn > shared) return "never";
  }
  return server.lsn >= position.lsn ? "reached" : "behind";
}

const historyLine = /^\s*(\d+)\s+([\dA-Fa-f]{1,8}\/[\dA-Fa-f]{1,8})/;

/**
 * Parses a timeline history file (PostgreSQL, src/backend/access/transam/timeline.c): a line for each ancestor with the
 * location where it was left. Comments and whatever else is no such line are passed over.
 */
export function parseTimelineHistory(text: string): Timelines {
  const lines = text.split("\n").map((line) => historyLine.exec(line));
  return new Map(
    lines.flatMap((match) =>
      match === null ? [] : [[Number(match[1]), parseWalLocation(match[2] ?? "0/0")]],
    ),
  );
}
