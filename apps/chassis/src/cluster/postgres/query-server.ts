import { Client, type QueryResultRow } from "pg";

/** Runs one statement over a connection of its own, bounded to 15 s in all, and returns its rows. */
export async function queryServer<Row extends QueryResultRow>(
  url: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
    application_name: "quartet_local_postgres",
  });
  client.on("error", () => undefined); // a lost connection rejects the query as well
  try {
    await client.connect();
    return (await client.query<Row>(statement, [...values])).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
