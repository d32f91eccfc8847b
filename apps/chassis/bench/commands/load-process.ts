import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";
import { serveChild } from "../harness/child.ts";
import { commonNow } from "../harness/common-clock.ts";
import { inParallel } from "../harness/contest.ts";
import { createNote } from "./note-domain.ts";

/** Notes to be sent, each once. */
export interface Load {
  readonly url: string;
  readonly path: string;
  /** Number of the first note. */
  readonly first: number;
  readonly count: number;
  readonly connections: number;
  /** With an Idempotency-Key of its own each. */
  readonly keyed: boolean;
  /** What every answer must have. */
  readonly status: number;
  /** Requests a second, whatever became of those before; without it each connection sends as soon as it may. */
  readonly rate?: number;
}

/** What was seen of a load. */
export interface LoadReport {
  readonly tookMs: number;
  /** For each note, by the clock that all processes share: when it was sent, and when its answer was whole. */
  readonly sentAt: readonly number[];
  readonly answeredAt: readonly number[];
}

/** Sends loads, in a process of its own. */
serveChild({
  send: async (load: Load): Promise<LoadReport> => {
    const pool = new Pool(load.url, { connections: load.connections, pipelining: 1 });
    try {
      return await send(pool, load);
    } finally {
      await pool.close();
    }
  },
});

async function send(pool: Pool, load: Load): Promise<LoadReport> {
  const sentAt: number[] = new Array(load.count).fill(0);
  const answeredAt: number[] = new Array(load.count).fill(0);
  const start = performance.now();
  const one = async (index: number) => {
    sentAt[index] = commonNow();
    await sendNote(pool, load, load.first + index);
    answeredAt[index] = commonNow();
  };
  if (load.rate === undefined) await inParallel(load.count, load.connections, one);
  else await atRate(load.count, load.rate, one);
  return { tookMs: performance.now() - start, sentAt, answeredAt };
}

async function atRate(count: number, rate: number, one: (index: number) => Promise<void>): Promise<void> {
  const start = performance.now();
  const sent: Promise<void>[] = [];
  while (sent.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - start) * rate) / 1_000));
    while (sent.length < due) sent.push(one(sent.length));
    await delay(1);
  }
  await Promise.all(sent);
}

/** @throws Error when the answer is not what it must be: a refusal would be quick, and prove nothing. */
async function sendNote(pool: Pool, { path, keyed, status }: Load, number: number): Promise<void> {
  const note = createNote(number);
  const { statusCode, body } = await pool.request({
    method: "POST",
    path,
    headers: {
      "content-type": "application/json",
      ...(keyed ? { "idempotency-key": `"${note.id}"` } : {}),
    },
    body: JSON.stringify(note),
  });
  const text = await body.text();
  if (statusCode !== status) throw new Error(`${path} answered ${statusCode}: ${text}`);
}
