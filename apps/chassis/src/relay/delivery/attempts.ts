import type { SqlClient } from "../../sql/sql-client.ts";
import type { PushAnswer, PushOutcome } from "../push/push-outcome.ts";

/** One push of one event, as `delivery_attempt` keeps it. */
export interface AttemptRecord {
  readonly seq: bigint;
  /** From 1, deaths included. */
  readonly attempt: number;
  readonly time: Date;
  readonly durationMs: number;
  readonly status: number;
  readonly destination: string;
  readonly answer: string;
}

export function attemptOf(
  seq: bigint,
  attempt: number,
  outcome: PushOutcome,
  { durationMs, status, destination }: Pick<PushAnswer, "durationMs" | "status" | "destination">,
): AttemptRecord {
  const failed = outcome.kind === "acknowledged" ? undefined : outcome;
  return {
    seq,
    attempt,
    time: new Date(Date.now() - durationMs),
    durationMs: Math.round(durationMs),
    status: failed?.status ?? status,
    destination: failed?.destination ?? destination,
    answer: storableText(failed?.answer ?? ""),
  };
}

/** The fragment that records attempts while there is a row of `fence`; its values are {@link attemptValues}. */
export function insertAttemptsSql(firstParameter: number): string {
  const types = ["bigint", "int", "timestamptz", "int", "int", "text", "text"];
  const arrays = types.map((type, index) => `$${firstParameter + index}::${type}[]`);
  return `insert into quartet.delivery_attempt
  (subscription, seq, attempt, attempted_at, duration_ms, status, destination, answer)
select $1, attempt.* from fence, unnest(${arrays.join(", ")}) as attempt`;
}

export function attemptValues(attempts: readonly AttemptRecord[]): unknown[] {
  return [
    attempts.map(({ seq }) => seq),
    attempts.map(({ attempt }) => attempt),
    attempts.map(({ time }) => time.toISOString()),
    attempts.map(({ durationMs }) => durationMs),
    attempts.map(({ status }) => status),
    attempts.map(({ destination }) => destination),
    attempts.map(({ answer }) => answer),
  ];
}

/** Takes what is recorded of events, oldest first, in the caller's transaction: into their dead letters. */
export async function takeAttempts(
  client: SqlClient,
  subscription: string,
  seqs: readonly bigint[],
): Promise<readonly AttemptRecord[]> {
  const result = await client.query<StoredAttempt>({
    name: "take attempts",
    text: `with taken as (
  delete from quartet.delivery_attempt where subscription = $1 and seq = any($2::bigint[]) returning *
)
select seq, attempt, attempted_at, duration_ms, status, destination, answer from taken order by attempted_at, attempt`,
    values: [subscription, seqs],
  });
  return result.rows.map(({ attempted_at, duration_ms, ...row }) => ({
    ...row,
    time: attempted_at,
    durationMs: duration_ms,
  }));
}

interface StoredAttempt extends Pick<AttemptRecord, "seq" | "attempt" | "status" | "destination" | "answer"> {
  readonly attempted_at: Date;
  readonly duration_ms: number;
  readonly [column: string]: unknown;
}

/** Text that Postgres can hold: without U+0000 and halves of surrogate pairs. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "");
}
