import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";

/** A connection of an apply to one database, with a second one for looking on. */
export interface Session extends AsyncDisposable {
  readonly client: Client;
  /** Backend of `client`. */
  readonly pid: number;
  /** Opened when first asked for. */
  observe(): Promise<Client>;
}

/** Any number that nothing else locks; the same in all versions. */
const applyLockKey = 7_236_419_001n;
const lockPollMs = 100;
const lockPolls = 600;

/** Postgres' words for a definition depend on these. */
const settings = `set search_path = ''; set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres';
set client_min_messages = warning; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0`;

/** Connects as an owner. */
export async function openSession(url: string): Promise<Session> {
  await using stack = new AsyncDisposableStack();
  const open = async (name: string) => {
    const client = new Client({ connectionString: url, application_name: name });
    client.on("error", () => undefined);
    owned.defer(() => client.end());
    await client.connect();
    return client;
  };
  const owned = stack.use(new AsyncDisposableStack());
  const client = await open("quartet apply");
  await client.query(settings);
  const found = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  let observer: Promise<Client> | undefined;
  const kept = stack.move();
  return {
    client,
    pid: found.rows[0]?.pid ?? 0,
    observe: () => {
      observer ??= open("quartet apply observer");
      return observer;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * Makes this apply the only one of its database until the session ends. Asks again and again rather than waits: a
 * waiting statement's snapshot would block `create index concurrently`.
 */
export async function takeApplyLock({ client }: Session): Promise<void> {
  for (let poll = 0; poll < lockPolls; poll++) {
    const result = await client.query<{ locked: boolean }>("select pg_try_advisory_lock($1) as locked", [
      applyLockKey,
    ]);
    if (result.rows[0]?.locked) return;
    await delay(lockPollMs);
  }
  throw new QuartetError("unavailable", "Another quartet apply has been running for a minute.", {
    fix: "Wait for it, or end its session (application_name 'quartet apply').",
  });
}
