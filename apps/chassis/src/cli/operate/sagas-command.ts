import { type Registry, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import type { Pool } from "pg";
import { formatColumns } from "../../cluster/format-columns.ts";
import { findSaga, listSagas, retrySaga } from "../../command/saga/find-sagas.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type SagaInstance,
  SagaInstanceSchema,
  SagaStatus,
  SagaStepStatus,
} from "../../gen/quartet/v1/saga_pb.ts";
import { loadDomain } from "../load-domain.ts";
import { projectOf } from "../project-option.ts";
import { printable } from "./print-rows.ts";
import { withMain } from "./with-main.ts";

const description = `runs of sagas: list, show with their steps, and try again what is stuck

Needs DATABASE_URL, of a crud login; without it, the local cluster's.`;

interface Listing {
  readonly saga?: string;
  readonly status?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** `sagas list|show|retry`. */
export function registerSagas(program: Command): void {
  const group = program.command("sagas").description(description);
  group
    .command("list")
    .description("list runs, those that moved last first")
    .option("--saga <name>", "of this saga alone")
    .option("--status <status>", `one of ${Object.keys(statuses).join(", ")}`)
    .option("--limit <count>", "at most so many", "50")
    .option("--json", "print one JSON line each")
    .action((options: Listing) => onSagas(program, (pool, registry) => list(pool, registry, options)));
  onOne(group.command("show"))
    .description("show a run with its steps")
    .option("--json", "print JSON")
    .action((saga: string, key: string, options: { json?: boolean }) =>
      onSagas(program, async (pool, registry) => {
        const run = await findSaga(pool, registry, saga, key);
        console.log(options.json ? printJson(run, registry) : formatRun(run));
      }),
    );
  onOne(group.command("retry"))
    .description("try the compensation again that a run is stuck in")
    .action((saga: string, key: string) =>
      onSagas(program, async (pool, registry) => {
        await retrySaga(pool, registry, saga, key);
        console.log(`${printable(key)} is tried again`);
      }),
    );
}

function onOne(command: Command): Command {
  return command.argument("<saga>").argument("<key>", "of its events, such as an order's id");
}

/** What events hold is resolved by the domain's messages. */
async function onSagas(
  program: Command,
  work: (pool: Pool, registry: Registry) => Promise<void>,
): Promise<void> {
  const { registry } = await loadDomain(projectOf(program));
  await withMain(program, (pool) => work(pool, registry));
}

const statuses: Readonly<Record<string, SagaStatus>> = Object.fromEntries(
  Object.entries(SagaStatus).flatMap(([name, status]) =>
    status === SagaStatus.UNSPECIFIED ? [] : [[name.toLowerCase(), status]],
  ),
);

async function list(pool: Pool, registry: Registry, options: Listing): Promise<void> {
  const { saga, json = false } = options;
  const status = options.status === undefined ? undefined : statuses[options.status.toLowerCase()];
  if (options.status !== undefined && status === undefined) {
    throw new QuartetError("invalid_argument", `There is no status "${options.status}".`, {
      field: "--status",
      fix: `Use one of ${Object.keys(statuses).join(", ")}.`,
    });
  }
  const runs = await listSagas(pool, registry, { saga, status, limit: Number(options.limit) });
  if (json) for (const run of runs) console.log(printJson(run, registry));
  else console.log(runs.length === 0 ? "no runs" : formatRuns(runs));
}

function printJson(run: SagaInstance, registry: Registry): string {
  return JSON.stringify(toJson(SagaInstanceSchema, run, { registry }));
}

function formatRuns(runs: readonly SagaInstance[]): string {
  const rows = runs.map(({ saga, instanceKey, status, reason, lastError, updateTime }) => [
    saga,
    printable(instanceKey),
    nameOf(SagaStatus, status),
    updateTime === undefined ? "" : timestampDate(updateTime).toISOString(),
    printable(status === SagaStatus.STUCK ? lastError : reason),
  ]);
  return formatColumns([["SAGA", "KEY", "STATUS", "MOVED", "WHY"], ...rows]);
}

function formatRun(run: SagaInstance): string {
  const steps = run.steps.map(({ name, status, run: runs, lastError, endTime }) => [
    name,
    nameOf(SagaStepStatus, status),
    String(runs),
    endTime === undefined ? "" : timestampDate(endTime).toISOString(),
    printable(lastError),
  ]);
  return `${formatRuns([run])}\n\n${formatColumns([["STEP", "STATUS", "RUNS", "ENDED", "LAST ERROR"], ...steps])}`;
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return (
    Object.keys(names)
      .find((name) => names[name] === value)
      ?.toLowerCase() ?? String(value)
  );
}
