import type { Pool } from "pg";

const systemIds = new WeakMap<Pool, Promise<string>>();
const watched = new WeakSet<Pool>();

/**
 * The database system's identifier: the same on a primary and its replicas. Asked once for as long as connections hold:
 * with a new connection there may be another server.
 */
export function systemIdOf(pool: Pool): Promise<string> {
  const known = systemIds.get(pool);
  if (known) return known;
  const asked = pool
    .query<{ id: string }>("select system_identifier::text as id from pg_control_system()")
    .then((result) => result.rows[0]?.id ?? "0");
  systemIds.set(pool, asked);
  asked.catch(() => systemIds.delete(pool));
  if (watched.has(pool)) return asked;
  watched.add(pool);
  pool.on("remove", () => systemIds.delete(pool));
  return asked;
}
