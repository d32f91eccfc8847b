import type { DescMessage } from "@bufbuild/protobuf";
import type { Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { tableOf } from "../../schema/table/table.ts";
import { createReader } from "../kysely.ts";
import { ParcelSchema, parcelRegistry } from "../merge/test-parcel.ts";
import type { PbRow } from "../table-types.ts";
import { createTables } from "../test-table.ts";
import { type ListQuery, placeOf, readScan, type ScannedRow, scanStatement } from "./list-rows.ts";

/** As generated code declares it. */
interface TestTables {
  "test.parcels": PbRow<{
    tenant: string;
    number: bigint;
    label: string;
    status: string;
    weight: number;
    sent_time: Date | null;
    tags: unknown;
    address_country: string | null;
  }>;
}

let database: TestDatabase;

/** Enough rows for an index to pay, and what ANALYZE finds of them: no planner setting is touched. */
beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [ParcelSchema]);
  await database.query(`
    insert into test.parcels (pb)
    select jsonb_build_object(
      'tenant', 't' || n % 10, 'number', n::text, 'label', 'label ' || n % 5000, 'weight', n, 'rank', n % 2000,
      'status', case n % 50 when 0 then 'STATUS_OPEN' else 'STATUS_CLOSED' end,
      'tags', jsonb_build_array('tag ' || n % 3000, 'all'),
      'lines', jsonb_build_array(jsonb_build_object('sku', 's' || n % 4000, 'quantity', '1')),
      'address', jsonb_build_object('country', 'c' || n % 700))
      || case when n % 9 = 0 then '{}' else jsonb_build_object('sentTime',
           to_char(timestamp '2024-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) end
    from generate_series(1, 30000) n`);
  await database.query("vacuum analyze test.parcels");
});
afterAll(() => database[Symbol.asyncDispose]());

interface PlanNode {
  readonly "Node Type": string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

async function explain(text: string, values: readonly unknown[]): Promise<PlanNode[]> {
  const [row] = await database.query<{ "QUERY PLAN": readonly [{ Plan: PlanNode }] }>(
    `explain (format json) ${text}`,
    values,
  );
  const nodes = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return row === undefined ? [] : nodes(row["QUERY PLAN"][0].Plan);
}

const scanOf = (query: ListQuery<DescMessage>) => readScan(tableOf(ParcelSchema), query, parcelRegistry);

/** The plan of a page of a list; of the second page when asked for. */
async function explainList(query: ListQuery<DescMessage>, page: 1 | 2 = 1): Promise<PlanNode[]> {
  const scan = scanOf(query);
  const first = scanStatement(scan, 50);
  if (page === 1) return explain(first.text, first.values ?? []);
  const rows = await database.query<ScannedRow>(first.text, first.values);
  const last = rows.at(-1);
  const second = scanStatement(scan, 50, last === undefined ? undefined : placeOf(scan, last));
  return explain(second.text, second.values ?? []);
}

const indexes = (plan: readonly PlanNode[]) => plan.flatMap((node) => node["Index Name"] ?? []);
const types = (plan: readonly PlanNode[]) => plan.map((node) => node["Node Type"]);
const indexNamed = (start: string) =>
  tableOf(ParcelSchema).indexes.find(({ name }) => name.startsWith(`parcels_${start}`))?.name ?? "";

describe("a list", () => {
  test("by the key reads a page of the primary key, however far it is", async () => {
    const plan = await explainList({}, 2);
    expect(indexes(plan)).toEqual(["parcels_pkey"]);
    expect(types(plan)).not.toContain("Sort");
    expect(plan.find((node) => node["Index Cond"])?.["Index Cond"]).toContain("ROW");
  });

  test.each<[string, ListQuery<DescMessage>, string]>([
    ["equality", { where: { label: "label 7" } }, "label"],
    ["in", { where: { label: { in: ["label 7", "label 8"] } } }, "label"],
    ["a beginning", { where: { label: { startsWith: "label 77" } } }, "label"],
    ["a range of times", { where: { sentTime: { lt: new Date("2024-01-01T02:00:00Z") } } }, "sent_time"],
    ["a field inside a message", { where: { "address.country": "c7" } }, "address_country"],
    ["an element of a list", { where: { tags: { contains: "tag 7" } } }, "tags"],
    ["a message of a list in part", { where: { lines: { contains: { sku: "s7" } } } }, "lines"],
    ["a condition that a partial index has", { where: { status: 1, weight: { lt: 500 } } }, "weight"],
  ])("filtered by %s uses the index", async (_, query, index) => {
    expect(indexNamed(index)).not.toBe("");
    expect(indexes(await explainList(query))).toEqual([indexNamed(index)]);
  });

  test("filtered by another value than a partial index has does not use it", async () => {
    expect(indexes(await explainList({ where: { status: 2, weight: { lt: 500 } } }))).not.toContain(
      indexNamed("weight"),
    );
  });

  test.each<["sentTime desc" | "sentTime", 1 | 2]>([
    ["sentTime desc", 1],
    ["sentTime desc", 2],
    ["sentTime", 1],
    ["sentTime", 2],
  ])(
    "ordered by %s, page %i, reads the descending index and sorts no more than ties",
    async (orderBy, page) => {
      const plan = await explainList({ orderBy }, page);
      expect(new Set(indexes(plan))).toEqual(new Set([indexNamed("sent_time")]));
      expect(types(plan)).not.toContain("Seq Scan");
      expect(types(plan)).toContain("Incremental Sort");
    },
  );

  test("ordered by columns of both directions reads their index", async () => {
    const plan = await explainList({ orderBy: ["rank", "label desc"] }, 2);
    expect(new Set(indexes(plan))).toEqual(new Set([indexNamed("rank")]));
    expect(types(plan)).not.toContain("Seq Scan");
  });
});

describe("Kysely", () => {
  // Tests add no tables to the global type that generated code fills.
  const parcels = () =>
    (createReader(database.pool) as unknown as Pick<Kysely<TestTables>, "selectFrom">).selectFrom(
      "test.parcels",
    );
  const plan = (query: { compile(): { sql: string; parameters: readonly unknown[] } }) => {
    const { sql, parameters } = query.compile();
    return explain(sql, parameters);
  };

  test("uses the index of a column", async () => {
    const found = await plan(parcels().where("label", "=", "label 7").select("pb"));
    expect(indexes(found)).toEqual([indexNamed("label")]);
  });

  test("uses the descending index for an order", async () => {
    const found = await plan(parcels().orderBy("sent_time", "desc").limit(10).select("pb"));
    expect(types(found)).toEqual(["Limit", "Index Scan"]);
    expect(indexes(found)).toEqual([indexNamed("sent_time")]);
  });

  test("uses a partial index when the query implies its condition", async () => {
    const query = parcels().where("status", "=", "STATUS_OPEN").where("weight", "<", 500).select("pb");
    expect(indexes(await plan(query))).toEqual([indexNamed("weight")]);
  });

  test("uses the index of a column inside a message", async () => {
    const found = await plan(parcels().where("address_country", "=", "c7").select("pb"));
    expect(indexes(found)).toEqual([indexNamed("address_country")]);
  });

  test("uses a GIN index", async () => {
    const found = await plan(
      parcels()
        .where("tags", "@>", JSON.stringify(["tag 7"]))
        .select("pb"),
    );
    expect(indexes(found)).toEqual([indexNamed("tags")]);
  });
});
