import { applySchema } from "../../src/apply/apply-schema.ts";
import { lonelyDomain } from "../../src/apply/test-domain.ts";
import type { TestDatabase } from "../../src/cluster/postgres/test-database.ts";
import { below, equals, type Figure, reported } from "../harness/figure.ts";

const rows = 1_000_000;

/** One new field, then one new index, on a million rows: what `quartet apply` reports of its own steps. */
export async function measureApply(database: TestDatabase, log: (line: string) => void): Promise<Figure[]> {
  const target = { databaseUrl: database.url(), eventsDatabaseUrl: database.url() };
  const fields = { customer: "string", amount_cents: "int64" };
  await applySchema(lonelyDomain(fields), target);
  log(`filling a table with ${rows.toLocaleString("en-US")} rows`);
  await fillTable(database);
  const before = await fileOf(database);
  const heldMs: number[] = [];
  let indexMs = 0;
  await applySchema(lonelyDomain({ ...fields, note: "string" }, [{ field: ["customer"] }]), target, {
    onStepDone: (_, step, report) => {
      log(`apply: ${step.what} in ${Math.round(report.totalMs)} ms`);
      if (step.index !== undefined) indexMs = report.totalMs;
      else if (step.sql.startsWith("alter table") && report.heldMs !== undefined) heldMs.push(report.heldMs);
    },
  });
  if (heldMs.length === 0 || indexMs === 0) throw new Error("apply added no column, or built no index");
  const rewritten = (await fileOf(database)) === before ? 0 : 1;
  return [
    below(50, {
      name: "apply: lock of a new field",
      value: Math.max(...heldMs),
      unit: "ms",
      note: "on 1,000,000 rows",
    }),
    equals(0, { name: "apply: tables rewritten", value: rewritten, unit: "" }),
    reported({
      name: "apply: a new index",
      value: indexMs,
      unit: "ms",
      note: "concurrently: nobody waits for it",
    }),
  ];
}

async function fillTable(database: TestDatabase): Promise<void> {
  const client = await database.connect();
  await client.query(
    `insert into lonely.things (pb)
select jsonb_build_object('id', 'row-' || i, 'customer', 'customer-' || i % 1000, 'amountCents', (i * 7)::text)
from generate_series(1, ${rows}) i`,
  );
  await client.query("vacuum (analyze) lonely.things");
}

/** Changes when the table is rewritten. */
async function fileOf(database: TestDatabase): Promise<number | undefined> {
  const [row] = await database.query<{ file: number }>(
    "select pg_relation_filenode('lonely.things')::int as file",
  );
  return row?.file;
}
