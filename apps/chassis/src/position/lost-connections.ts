import { DatabaseError, type Pool, type PoolClient } from "pg";

/**
 * Calls back when connections are lost, so that the server may have been restarted or replaced meanwhile.
 *
 * The pool also closes a connection whose statement the server refused. That is no loss while others hold: a restart would
 * have ended them too. Else a few hundred refused statements a second, of one bad query, would keep all others from
 * being sure of their server.
 */
export function watchLostConnections(pool: Pool, onLost: () => void): void {
  const refused = new WeakSet<PoolClient>();
  pool.on("release", (error, client) => {
    if (error !== undefined && isRefusal(error)) refused.add(client);
  });
  pool.on("remove", (client) => {
    if (!refused.has(client) || pool.totalCount === 0) onLost();
  });
}

/** The server's own word about a statement, after which the session goes on. In other languages it counts as a loss. */
function isRefusal(error: unknown): boolean {
  return error instanceof DatabaseError && error.severity === "ERROR";
}
