import { QuartetError } from "../../error/quartet-error.ts";

/** Where to capture from. One slot belongs to one database and has one reader at a time. */
export interface ReplicationSource {
  /** Postgres URL of a login with REPLICATION; a direct connection, never a pooler. */
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
}

/** Throws `invalid_argument` for a slot name that the server would refuse. */
export function checkSource(source: ReplicationSource): void {
  if (!/^[a-z0-9_]{1,63}$/.test(source.slot)) {
    throw new QuartetError("invalid_argument", `"${source.slot}" cannot be the name of a replication slot.`, {
      fix: "Use lower-case letters, digits and underscores, at most 63.",
    });
  }
}
