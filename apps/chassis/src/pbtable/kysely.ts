import { Kysely, PostgresDialect } from "kysely";
import type { Pool, PoolClient } from "pg";
import type { TableTypes } from "./table-types.ts";

/** The part of Kysely that cannot write, by type. What a login may write is the database's to say. */
export type ReadonlyKysely = Pick<Kysely<TableTypes>, "selectFrom" | "with" | "withRecursive" | "fn">;

/** Kysely over a pool, for reads outside transactions. */
export function createReader(pool: Pool): ReadonlyKysely {
  return new Kysely<TableTypes>({ dialect: new PostgresDialect({ pool }) });
}

/** Kysely over the connection of a running transaction. Needs no disposal: the connection's owner ends it. */
export function createTransactionKysely(client: PoolClient): Kysely<TableTypes> {
  const connection = {
    query: client.query.bind(client),
    release: () => undefined,
  } as unknown as PoolClient; // Kysely uses query and release alone; release must not give the connection back here.
  return new Kysely<TableTypes>({
    dialect: new PostgresDialect({
      pool: { options: {}, connect: async () => connection, end: async () => undefined },
    }),
  });
}
