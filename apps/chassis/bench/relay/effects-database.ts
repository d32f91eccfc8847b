import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import { countEffects, effectsSql, readEffects } from "./effects.ts";
import type { Deployment } from "./side.ts";

/** A database with the table of effects, and what is read from it. Disposing ends its connections. */
export interface EffectsDatabase
  extends AsyncDisposable,
    Pick<Deployment, "countEffects" | "readEffects" | "readClock"> {
  readonly url: string;
  query(sql: string): Promise<unknown>;
}

export async function openEffectsDatabase(server: TestServer): Promise<EffectsDatabase> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await server.openDatabase());
  for (const sql of effectsSql) await database.query(sql);
  const owned = stack.move();
  return {
    url: database.url(),
    query: (sql) => database.query(sql),
    countEffects: () => countEffects(database.query),
    readEffects: (expected) => readEffects(database.query, expected),
    readClock: async () => {
      const [row] = await database.query<{ now: number }>(
        "select (extract(epoch from clock_timestamp()) * 1000)::float8 as now",
      );
      return row?.now ?? 0;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
