import type { Pool } from "pg";
import { toQuartetError } from "../error/problem.ts";
import { requireTime } from "../error/require-time.ts";
import { GroupQueue } from "../inbox/group-queue.ts";
import { appendStatement, eventColumns, insertEventsSql } from "../outbox/append-events.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { statementLimitOf } from "../sql/open-pool.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { runCommit } from "../sql/run-commit.ts";
import { sqlStateOf, translateDatabaseError } from "../sql/translate-error.ts";
import { gateCommand, gateKeys } from "./gate-command.ts";

/** An event that is published if no request with its operation's key came before. */
export interface Submission {
  readonly operationId: string;
  readonly fingerprint: string;
  readonly event: OutboxEvent;
  /** Epoch ms: not begun later. */
  readonly deadlineMs: number;
}

interface Waiting extends Submission {
  resolve(first: boolean): void;
  reject(error: unknown): void;
}

/** Statements under way at once: what comes meanwhile goes together in the next one. No client keeps one open. */
const maxRunning = 1;
const maxTogether = 64;
/** A payload of more characters goes by itself, so that a statement stays small. */
const maxSharedPayload = 65_536;

/**
 * Publishes submissions of keyed commands, in a database where this login may INSERT and not read: those that come at the
 * same time in one statement, which is their transaction. Nearly all are the first of their key; where one is not, the
 * statement does nothing, and each of them gets a transaction of its own, in which its gate tells.
 */
export class Submissions {
  readonly #pool: Pool;
  readonly #queue: GroupQueue<Waiting>;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#queue = new GroupQueue<Waiting>({
      maxRunning,
      maxGroup: maxTogether,
      together: true,
      isAlone: ({ event }) => event.payload.length > maxSharedPayload,
      run: (group) => this.#run(group),
    });
  }

  /**
   * @returns false when the same request came before: then nothing was published
   * @throws QuartetError `key_reused` when another request with the key came before.
   */
  async submit(submission: Submission): Promise<boolean> {
    const leftMs = requireTime(submission.deadlineMs);
    // Only a transaction can have a limit of its own.
    if (leftMs < statementLimitOf(this.#pool)) return this.#submitAlone(submission);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#queue.add(submission.operationId, { ...submission, resolve, reject });
    return promise;
  }

  async #run(group: readonly Waiting[]): Promise<void> {
    const waiting = group.filter(isInTime);
    if (waiting.length === 0) return;
    try {
      await publishAll(this.#pool, waiting);
      for (const each of waiting) each.resolve(true);
    } catch (thrown) {
      const error = translateDatabaseError(thrown);
      // Who is away or slow for one is so for all; and nobody knows what became of a statement without an answer.
      const { code } = toQuartetError(error);
      if (sqlStateOf(thrown) !== keyIsBusy && (code === "unavailable" || code === "deadline_exceeded"))
        for (const each of waiting) each.reject(error);
      // The next group does not wait for them: one may wait for whoever keeps its key.
      else for (const each of waiting) void this.#submitAlone(each).then(each.resolve, each.reject);
    }
  }

  async #submitAlone({ operationId, fingerprint, event, deadlineMs }: Submission): Promise<boolean> {
    const submit = async (client: TransactionClient) => {
      const first = await gateCommand(client, operationId, fingerprint);
      if (first) client.defer(appendStatement([event]));
      return first;
    };
    const { value } = await runCommit(this.#pool, submit, { deadlineMs });
    return value;
  }
}

/** Of one that is not, nobody waits any more: it is not begun. */
function isInTime(each: Waiting): boolean {
  try {
    requireTime(each.deadlineMs);
    return true;
  } catch (error) {
    each.reject(error);
    return false;
  }
}

/** Lock_not_available: somebody is busy with one of the keys. The others need not wait, and who does, does it alone. */
const keyIsBusy = "55P03";

/** Any key that is taken fails all of it, soon. In order of the keys: two statements never wait for each other crosswise. */
const statement = {
  name: "submit",
  text: `with limited as materialized (
  select set_config('lock_timeout', '50ms', true) as lock_timeout
), gate as (
  insert into quartet.inbox (consumer, event_id)
  select consumer, event_id from limited, unnest($10::text[], $11::text[]) as given (consumer, event_id)
  where lock_timeout is not null order by 1, 2
)
${insertEventsSql}`,
};

async function publishAll(pool: Pool, submissions: readonly Submission[]): Promise<void> {
  const keys = submissions.flatMap(({ operationId, fingerprint }) => gateKeys(operationId, fingerprint));
  await pool.query({
    ...statement,
    values: [
      ...eventColumns(submissions.map(({ event }) => event)),
      keys.map(({ consumer }) => consumer),
      keys.map(({ eventId }) => eventId),
    ],
  });
}
