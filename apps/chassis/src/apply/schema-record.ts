import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { quoteLiteral } from "../schema/identifier.ts";
import { catalogOnly, noLock, type Step } from "./step.ts";

/** A schema that an apply brought to this database. */
export interface SchemaRecord {
  /** Hex, of the image's bytes. */
  readonly sha256: string;
  /** Binary `google.protobuf.FileDescriptorSet`. */
  readonly image: Uint8Array;
}

/** Every schema that ever was applied, oldest first: what a build must not break. */
const recordTableSql = `create table if not exists quartet.schema_image (
  id bigint generated always as identity primary key,
  sha256 text not null unique,
  image bytea not null,
  applied_at timestamptz not null default now(),
  build text not null
)`;

/** Reads the recorded schemas, oldest first; none where none was ever recorded. */
export async function readRecords(client: ClientBase): Promise<readonly SchemaRecord[]> {
  const found = await client.query<{ exists: boolean }>(
    "select to_regclass('quartet.schema_image') is not null as exists",
  );
  if (found.rows[0]?.exists !== true) return [];
  const records = await client.query<SchemaRecord>(
    "select sha256, image from quartet.schema_image order by id",
  );
  return records.rows;
}

/**
 * Steps that record a schema; safe to repeat.
 *
 * @param build names the build, for people
 */
export function recordSteps(image: Uint8Array, build: string, tableExists: boolean): readonly Step[] {
  const table = {
    what: "table quartet.schema_image",
    sql: recordTableSql,
    lock: noLock,
    duration: catalogOnly,
  };
  const record = {
    what: `record of the schema ${sha256Of(image).slice(0, 12)}`,
    sql: recordSql(image, build),
    lock: noLock,
    duration: "milliseconds: one row",
  };
  return tableExists ? [record] : [table, record];
}

/** Written out, as all steps are: a plan that is printed can be run by hand. */
function recordSql(image: Uint8Array, build: string): string {
  const encoded = Buffer.from(image).toString("base64");
  return (
    `insert into quartet.schema_image (sha256, image, build) values (${quoteLiteral(sha256Of(image))}, ` +
    `decode('${encoded}', 'base64'), ${quoteLiteral(build)}) on conflict (sha256) do nothing`
  );
}

/** Hex SHA-256 of an image. */
export function sha256Of(image: Uint8Array): string {
  return createHash("sha256").update(image).digest("hex");
}
