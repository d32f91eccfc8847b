import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";

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

/** Postgres' words for a definition depend on some; the others are limits and habits that a login or database may have. */
const settings = `set search_path = ''; set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres';
set quote_all_identifiers = off; set standard_conforming_strings = on; set client_min_messages = warning;
set statement_timeout = 0; set transaction_timeout = 0; set idle_in_transaction_session_timeout = 0;
set idle_session_timeout = 0`;

/** Connects as an owner. */
export async function openSession(url: string): Promise<Session> {
  await using stack = new AsyncDisposableStack();
  const open = async (name: string) => {
    const client = new Client({ connectionString: url, application_name: name });
    client.on("error", () => undefined);
    owned.defer(() => client.end());
    await client.connect();
    await client.query(settings);
    return client;
  };
  const owned = stack.use(new AsyncDisposableStack());
  const client = await open("quartet apply");
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

/**
 * Refuses a session that cannot make anything, or not the temporary tables that a plan is made with: what Postgres would
 * say of it later does not tell that the URL is the wrong one.
 *
 * @throws QuartetError `failed_precondition` with what is wrong and what mends it.
 */
export async function requireWritable({ client }: Session): Promise<void> {
  const found = await client.query<Ability>(abilitySql);
  const fault = faultOf(found.rows[0]);
  if (fault !== undefined) throw new QuartetError("failed_precondition", fault[0], { fix: fault[1] });
}

interface Ability {
  readonly database: string;
  readonly login: string;
  readonly replica: boolean;
  readonly readOnly: boolean;
  readonly temporary: boolean;
}

const abilitySql = `select current_database() as database, current_user as login, pg_is_in_recovery() as replica,
  current_setting('transaction_read_only')::boolean as "readOnly",
  has_database_privilege(current_database(), 'temporary') as temporary`;

function faultOf(ability: Ability | undefined): readonly [string, string] | undefined {
  if (ability === undefined) return undefined;
  const { database, login, replica, readOnly, temporary } = ability;
  if (replica) {
    return [`The server of database ${database} is a replica.`, "Give the URL of its primary."];
  }
  if (readOnly) {
    const fix = `alter role ${quoteIdentifier(login)} reset default_transaction_read_only;`;
    return [`Transactions of ${login} in database ${database} are read only.`, fix];
  }
  if (temporary) return undefined;
  const grant = `grant temporary on database ${quoteIdentifier(database)} to ${quoteIdentifier(login)};`;
  return [`${login} may make no temporary tables in database ${database}, with which apply compares.`, grant];
}
