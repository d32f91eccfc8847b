import { QuartetError } from "../error/quartet-error.ts";
import { encodeSchemaImage } from "../schema/encode-schema-image.ts";
import type { Domain } from "../service/domain.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { readCatalog } from "./catalog/read-catalog.ts";
import type { Drift } from "./drift/drift.ts";
import { findDrift } from "./drift/find-drift.ts";
import { planSchema } from "./plan/plan-schema.ts";
import type { IndexProgress } from "./run/index-progress.ts";
import { LockBudget } from "./run/lock-budget.ts";
import { openSession, requireWritable, type Session, takeApplyLock } from "./run/open-session.ts";
import { runStep } from "./run/run-step.ts";
import { readRecords, recordSteps, sha256Of } from "./schema-record.ts";
import { eventsTarget, mainTarget, mergeTargets, type SchemaTarget } from "./schema-target.ts";
import type { Step, StepReport } from "./step.ts";

export interface ApplyTarget {
  /** URL of an owner of the main database. */
  readonly databaseUrl: string;
  /** URL of an owner of the events database; the main database when it is the same. */
  readonly eventsDatabaseUrl: string;
}

/** Which database something is about; one that is both is `main`. */
export type DatabaseName = "main" | "events";

/** How the schema of this build stands to those that are recorded in a database. */
export type SchemaVerdict = "same" | "newer" | "older";

/**
 * Compares the schema of this build with the recorded ones, oldest first: all are binary FileDescriptorSets.
 *
 * @throws QuartetError `failed_precondition` with the findings, when this build breaks what is recorded.
 */
export type SchemaJudge = (recorded: readonly Uint8Array[], next: Uint8Array) => Promise<SchemaVerdict>;

export interface PlanOptions {
  /** Not asked when the recorded schema is this one, byte by byte. Without it every other schema is a newer one. */
  readonly judge?: SchemaJudge | undefined;
  /** Names the build in the record of its schema. Default: the domain's name. */
  readonly build?: string | undefined;
}

export interface ApplyOptions extends PlanOptions {
  /** Gets each step before it runs. */
  readonly onStep?: (database: DatabaseName, step: Step) => void;
  readonly onStepDone?: (database: DatabaseName, step: Step, report: StepReport) => void;
  /** Every two seconds while an index is built. */
  readonly onProgress?: (database: DatabaseName, step: Step, progress: IndexProgress) => void;
  /** Longest time for all waiting for locks that hold up others, in ms. Default: a minute. */
  readonly lockWaitMs?: number | undefined;
  /** Longest wait of an index build for transactions older than itself, in ms; holds up nobody. Default: ten minutes. */
  readonly indexWaitMs?: number | undefined;
}

/** What a database lacks, and what in it is not as it should be. */
export interface DatabasePlan {
  readonly database: DatabaseName;
  /** `older`: a later build was here already; there is nothing to do. */
  readonly verdict: SchemaVerdict;
  readonly steps: readonly Step[];
  readonly drift: readonly Drift[];
}

const defaultLockWaitMs = 60_000;

/**
 * Brings the databases to the shape the domain's protos say. Additive and idempotent: never drops, never rewrites, and
 * keeps no writer waiting for longer than 50 ms at a time. Two of them at once take turns; interrupted and run again, it
 * ends right.
 *
 * @returns what was done in each database, and what somebody altered there by hand, which is left as it is
 * @throws QuartetError `unavailable` when a lock cannot be had in time or a database is away; `failed_precondition` when
 * the schema breaks a recorded one, when a table cannot be worked with, or when the server refuses a step.
 */
export async function applySchema(
  domain: Domain,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<readonly DatabasePlan[]> {
  const budget = new LockBudget(options.lockWaitMs ?? defaultLockWaitMs);
  return eachDatabase(domain, target, async (session, database, wanted) => {
    await takeApplyLock(session);
    const plan = await planDatabase(session, { database, domain, wanted }, options);
    requireWorkable(plan);
    for (const step of plan.steps) {
      options.onStep?.(database, step);
      const onProgress = (progress: IndexProgress) => options.onProgress?.(database, step, progress);
      const report = await runStep(step, { session, budget, onProgress, indexWaitMs: options.indexWaitMs });
      options.onStepDone?.(database, step, report);
    }
    return plan;
  });
}

/** What {@link applySchema} would do. Changes nothing, and takes no lock that anybody waits for. */
export function planDatabases(
  domain: Domain,
  target: ApplyTarget,
  options: PlanOptions = {},
): Promise<readonly DatabasePlan[]> {
  return eachDatabase(domain, target, (session, database, wanted) =>
    planDatabase(session, { database, domain, wanted }, options),
  );
}

async function eachDatabase(
  domain: Domain,
  { databaseUrl, eventsDatabaseUrl }: ApplyTarget,
  work: (session: Session, database: DatabaseName, wanted: SchemaTarget) => Promise<DatabasePlan>,
): Promise<readonly DatabasePlan[]> {
  const now = new Date();
  const dedicated =
    databaseUrl !== eventsDatabaseUrl && !(await isOneDatabase(databaseUrl, eventsDatabaseUrl));
  const [main, events] = [mainTarget(domain, dedicated, now), eventsTarget(now)];
  const within = async (url: string, database: DatabaseName, wanted: SchemaTarget) => {
    try {
      await using session = await openSession(url);
      await requireWritable(session);
      return await work(session, database, wanted);
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };
  if (!dedicated) return [await within(databaseUrl, "main", mergeTargets(main, events))];
  const first = await within(databaseUrl, "main", main);
  return [first, await within(eventsDatabaseUrl, "events", events)];
}

/** Whether two URLs lead to one database: another name of the host, say. Taken for two, each would undo the other's grants. */
async function isOneDatabase(first: string, second: string): Promise<boolean> {
  const [one, other] = await Promise.all([readIdentity(first), readIdentity(second)]);
  return one === other;
}

async function readIdentity(url: string): Promise<string> {
  try {
    await using session = await openSession(url);
    const found = await session.client.query<{ identity: string }>(
      "select system_identifier || ' ' || current_database() as identity from pg_control_system()",
    );
    return found.rows[0]?.identity ?? "";
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

interface PlanSubject {
  readonly database: DatabaseName;
  readonly domain: Domain;
  readonly wanted: SchemaTarget;
}

/** The gate comes before all else: a build that breaks what is stored does not even get a plan. */
async function planDatabase(
  { client }: Session,
  { database, domain, wanted }: PlanSubject,
  { judge = async () => "newer", build = domain.name }: PlanOptions,
): Promise<DatabasePlan> {
  const image = encodeSchemaImage(domain.registry);
  const records = await readRecords(client);
  const same = records.at(-1)?.sha256 === sha256Of(image);
  const verdict = same
    ? "same"
    : await judge(
        records.map((record) => record.image),
        image,
      );
  if (verdict === "older") return { database, verdict, steps: [], drift: [] };
  const catalog = await readCatalog(client, wanted);
  const tableExists = catalog.world.relations.has("quartet.schema_image");
  const known = records.some(({ sha256 }) => sha256 === sha256Of(image));
  const record = verdict === "newer" && !known ? recordSteps(image, build, tableExists) : [];
  return { database, verdict, steps: planSchema(wanted, catalog, record), drift: findDrift(catalog) };
}

function requireWorkable({ database, drift }: DatabasePlan): void {
  const blocking = drift.filter((found) => found.blocking);
  if (blocking.length === 0) return;
  throw new QuartetError(
    "failed_precondition",
    `apply cannot work with what is in the ${database} database:\n${blocking.map(({ what }) => what).join("\n")}`,
    { fix: blocking.flatMap(({ mend }) => mend.map((sql) => `${sql};`)).join("\n") },
  );
}
