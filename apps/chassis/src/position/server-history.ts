import type { Pool } from "pg";
import type { ServerState } from "./server-state.ts";
import { parseTimelineHistory, type Timelines } from "./timelines.ts";

const historySql =
  "select pg_read_file('pg_wal/' || upper(lpad(to_hex($1::int), 8, '0')) || '.history', true) as text";

/**
 * What a server's history shares with older timelines, told from its history file where the login may read that, else
 * from what was seen: what a server had replayed of a timeline when it went on to the next one in the same run is shared.
 * That is less than what is really shared by what was replayed since it was last looked at, and never more.
 */
export class ServerHistory {
  readonly #pool: Pool;
  #last: ServerState | undefined;
  #left: Timelines = new Map();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get left(): Timelines {
    return this.#left;
  }

  /**
   * Takes notice of a state. Asks the server only when it is on another timeline, or another server, than before.
   *
   * @returns the state, on the timeline that was proven before in the same run, if it proves less: a replica that lost its
   * primary no longer tells what it received
   */
  async note(told: ServerState): Promise<ServerState> {
    const before = this.#last;
    const state = before === undefined ? told : onProvenTimeline(before, told);
    this.#last = state;
    const { systemId, timeline } = state.position;
    if (before?.position.systemId === systemId && before.position.timeline === timeline) return state;
    this.#left = (await this.#read(timeline)) ?? seenToLeave(before, state, this.#left);
    return state;
  }

  async #read(timeline: number): Promise<Timelines | undefined> {
    if (timeline <= 1) return new Map();
    try {
      const result = await this.#pool.query<{ text: string | null }>(historySql, [timeline]);
      const text = result.rows[0]?.text ?? undefined;
      return text === undefined ? undefined : parseTimelineHistory(text);
    } catch {
      // Hardly any login may read files; what was seen must do.
      return undefined;
    }
  }
}

/** No server leaves a timeline for an older one while it runs. */
function onProvenTimeline(before: ServerState, told: ServerState): ServerState {
  const { systemId, timeline } = before.position;
  const isSameRun = before.startedAt === told.startedAt && systemId === told.position.systemId;
  if (!isSameRun || timeline <= told.position.timeline) return told;
  return { ...told, position: { ...told.position, timeline } };
}

/** A server that was stopped in between may have been rewound: of what it had before, nothing is certain. */
function seenToLeave(before: ServerState | undefined, now: ServerState, left: Timelines): Timelines {
  if (before === undefined || before.startedAt !== now.startedAt) return new Map();
  if (before.position.systemId !== now.position.systemId) return new Map();
  if (before.position.timeline > now.position.timeline) return new Map();
  return new Map([...left, [before.position.timeline, before.position.lsn]]);
}
