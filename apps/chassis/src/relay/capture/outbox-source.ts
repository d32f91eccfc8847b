import { outboxPublication } from "../../outbox/outbox-ddl.ts";
import type { ReplicationSource } from "../replication/replication-source.ts";

/** One outbox to be captured. */
export interface OutboxSource {
  readonly name: "main" | "events";
  readonly url: string;
  /** Name of the logical slot: one per outbox and deployment. */
  readonly slot: string;
  /** The log is in the same database: what takes one back, such as a failover, takes the other back with it. */
  readonly holdsLog?: boolean;
}

/** Where its replication comes from. */
export function replicationOf({ url, slot }: OutboxSource): ReplicationSource {
  return { url, slot, publication: outboxPublication };
}

/** The outboxes of a deployment: that of the main database, and that of a dedicated events database. */
export function outboxSources(
  domainName: string,
  urls: { readonly databaseUrl: string; readonly eventsDatabaseUrl: string },
): readonly OutboxSource[] {
  const { databaseUrl, eventsDatabaseUrl } = urls;
  const main: OutboxSource = { name: "main", url: databaseUrl, slot: `quartet_${domainName}_main` };
  if (databaseUrl === eventsDatabaseUrl) return [{ ...main, holdsLog: true }];
  const slot = `quartet_${domainName}_events`;
  return [main, { name: "events", url: eventsDatabaseUrl, slot, holdsLog: true }];
}
