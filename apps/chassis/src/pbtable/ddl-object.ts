/** A database object beside a pbtable's columns and indexes that one repeatable statement makes whole. */
export interface DdlObject {
  readonly kind: "function" | "view" | "trigger" | "table";
  /**
   * Quoted, as Postgres would look it up: `"schema"."name"(text, jsonb)` of a function, `"schema"."name"` of a view or
   * table, `"name" on "schema"."table"` of a trigger.
   */
  readonly identity: string;
  /** `create or replace …`, or `create table if not exists …`: running it twice is the same as once. */
  readonly create: string;
}
