import { createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { DeadLetterSchema } from "../gen/quartet/v1/subscription_pb.ts";
import { outboxSql } from "../outbox/outbox-ddl.ts";
import { createTableSql } from "../pbtable/table-ddl.ts";
import { tableOf } from "../schema/table/table.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import { type Domain, defineDomain } from "../service/domain.ts";
import { type CheckDataOptions, checkData, type DataReport } from "./check-data.ts";
import type { DataFinding } from "./data/finding-book.ts";

/** What a build of the test domain has beside the least. */
export interface Build {
  readonly order?: Readonly<Record<string, string>>;
  readonly line?: Readonly<Record<string, string>>;
  readonly colors?: readonly string[];
}

/** A build of a domain with the tables `market.orders` (key: id) and `market.stock` (key: shop, number, color). */
export function buildDomain({ order = {}, line = {}, colors = [] }: Build): Domain {
  const file = buildTestFile("market/v1/market", {
    enums: { Color: ["COLOR_UNSPECIFIED", "COLOR_RED", ...colors] },
    messages: {
      Order: { table: { name: "market.orders", key: ["id"] }, fields: { id: "string", ...order } },
      Stock: {
        table: { name: "market.stock", key: ["shop", "number", "color"] },
        fields: { shop: "string", number: "int64", color: "enum Color", text: "string" },
      },
      Line: { fields: { sku: "string", ...line } },
      Placed: { fields: { id: "string", count: "int32", line: ".market.v1.Line" } },
    },
    methods: {},
  });
  const schema = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  return defineDomain({ name: "market", schema, services: [], writes: [] });
}

/** Creates the domain's tables, an outbox and the dead letters, in one database. */
export async function createStores(database: TestDatabase, domain: Domain): Promise<void> {
  await database.query("create schema if not exists market");
  await database.query("create schema if not exists quartet");
  const messages: DescMessage[] = [...domain.tables.map(({ message }) => message), DeadLetterSchema];
  for (const message of messages) await database.query(createTableSql(tableOf(message)));
  for (const sql of outboxSql(new Date())) await database.query(sql);
}

/** Stores JSON, objects or text, as rows, as any build or hand could have. */
export async function store(
  database: TestDatabase,
  rows: object | string | readonly (object | string)[],
  table = "market.orders",
): Promise<void> {
  const texts = [rows].flat().map((row) => (typeof row === "string" ? row : JSON.stringify(row)));
  await database.query(`insert into ${table} (pb) select jsonb_array_elements($1::jsonb)`, [
    `[${texts.join()}]`,
  ]);
}

/** Checks the database as both the main and the events database; everything is read unless options say otherwise. */
export function check(
  database: TestDatabase,
  domain: Domain,
  options: Partial<CheckDataOptions> & { readonly user?: string } = {},
): Promise<DataReport> {
  const url = database.url(options.user);
  const target = { databaseUrl: url, eventsDatabaseUrl: url };
  return checkData(domain, target, { sampleRows: undefined, seed: 1, ...options });
}

/** Findings in short: `table path kind rows`. */
export function summarize(findings: readonly DataFinding[]): string[] {
  return findings
    .map(({ table, type = "", path, kind, rows }) =>
      [table, type, path, kind, rows].filter((x) => x !== "").join(" "),
    )
    .sort();
}
