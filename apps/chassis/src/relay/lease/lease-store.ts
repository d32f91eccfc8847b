import type { SqlClient } from "../../sql/sql-client.ts";
import { nextEpochSql } from "./lease-ddl.ts";

/** A lease that this process has, by the epoch it got with it. */
export interface HeldLease {
  readonly name: string;
  readonly epoch: bigint;
}

/** Who asks, and for how long. */
export interface LeaseOwner {
  readonly process: string;
  /** Where its listener answers; empty: nowhere. */
  readonly url: string;
  /** Lifetime of a lease that is not renewed. */
  readonly ttlMs: number;
  /** It takes no leases now: the others share them without it. */
  readonly leaving: boolean;
}

/** What a renewal tells. */
export interface LeaseCensus {
  /** Names of those that were renewed: a lease that is missing is somebody else's by now. */
  readonly renewed: ReadonlySet<string>;
  /** The other processes that live. */
  readonly others: readonly string[];
  readonly leases: readonly KnownLease[];
  /** There are processes to be forgotten. */
  readonly stale: boolean;
}

/** A row of `relay_lease`, as it was before the renewal. */
export interface KnownLease {
  readonly name: string;
  /** Undefined: it is free. */
  readonly holder: string | undefined;
  /** By the database's clock; not positive: it is free. */
  readonly leftMs: number;
}

/**
 * Says that this process lives and renews its leases, in one statement; tells who else lives and what is held. Times are
 * the beginning of the statement: never later than the moment from which the holder counts, had it to wait for a lock.
 */
export async function renewLeases(
  client: SqlClient,
  owner: LeaseOwner,
  held: readonly HeldLease[],
): Promise<LeaseCensus> {
  const result = await client.query<CensusRow>({
    name: "renew leases",
    text: renewSql,
    values: [
      owner.process,
      owner.url,
      owner.ttlMs,
      held.map(({ name }) => name),
      held.map(({ epoch }) => epoch),
      owner.leaving,
    ],
  });
  const [row] = result.rows;
  if (row === undefined) throw new TypeError("a select of scalars without a row");
  return {
    renewed: new Set(row.renewed),
    others: row.others,
    stale: row.stale,
    leases: row.leases.map(({ name, holder, left }) => ({ name, holder: holder ?? undefined, leftMs: left })),
  };
}

interface CensusRow {
  readonly stale: boolean;
  readonly renewed: readonly string[];
  readonly others: readonly string[];
  readonly leases: readonly {
    readonly name: string;
    readonly holder: string | null;
    readonly left: number;
  }[];
}

const renewSql = `with me as (
  insert into quartet.relay_process (process, url, seen_at)
  select $1, $2, now() where not $6
  on conflict (process) do update set seen_at = now(), url = excluded.url
), renewed as (
  update quartet.relay_lease as lease set expires_at = now() + $3::int * interval '1 ms'
  from unnest($4::text[], $5::bigint[]) as held (name, epoch)
  where lease.name = held.name and lease.epoch = held.epoch and lease.holder = $1 and lease.expires_at > now()
  returning lease.name
)
select
  array(select name from renewed) as renewed,
  array(select process from quartet.relay_process
    where process <> $1 and seen_at > now() - $3::int * interval '1 ms' order by process) as others,
  exists (select from quartet.relay_process where seen_at < now() - interval '1 hour') as stale,
  (select coalesce(json_agg(json_build_object('name', name, 'holder', holder,
    'left', extract(epoch from greatest(expires_at, now() - interval '1 day') - now()) * 1000)), '[]')
    from quartet.relay_lease) as leases`;

/**
 * Takes those of the names that are free, expired, or this process' own of which it does not know: it must run none of
 * them. Each gets an epoch greater than any that was given before, to it or to another, even when its row was dropped
 * meanwhile.
 */
export async function claimLeases(
  client: SqlClient,
  owner: Pick<LeaseOwner, "process" | "ttlMs">,
  names: readonly string[],
): Promise<readonly HeldLease[]> {
  await client.query({
    name: "add leases",
    text: "insert into quartet.relay_lease (name) select unnest($1::text[]) on conflict do nothing",
    values: [names],
  });
  const result = await client.query<HeldLease>({
    name: "claim leases",
    text: claimSql,
    values: [owner.process, owner.ttlMs, names],
  });
  return result.rows;
}

const claimSql = `with ${nextEpochSql}, free as (
  select name from quartet.relay_lease
  where name = any($3::text[]) and (holder is null or holder = $1 or expires_at <= now())
  for update skip locked
)
update quartet.relay_lease as lease
set holder = $1, expires_at = now() + $2::int * interval '1 ms',
  epoch = greatest(lease.epoch + 1, next_epoch.epoch)
from free, next_epoch where lease.name = free.name
returning lease.name, lease.epoch`;

/** Gives leases back, so that other processes can take them at once. Changes nothing of what somebody else has. */
export async function freeLeases(
  client: SqlClient,
  owner: Pick<LeaseOwner, "process">,
  leases: readonly HeldLease[],
): Promise<void> {
  await client.query({
    name: "free leases",
    text: `update quartet.relay_lease as lease set holder = null, expires_at = '-infinity'
from unnest($2::text[], $3::bigint[]) as freed (name, epoch)
where lease.name = freed.name and lease.epoch = freed.epoch and lease.holder = $1`,
    values: [owner.process, leases.map(({ name }) => name), leases.map(({ epoch }) => epoch)],
  });
}

/** Says that this process takes no more leases. */
export async function leaveLeases(client: SqlClient, owner: Pick<LeaseOwner, "process">): Promise<void> {
  await client.query({
    name: "leave leases",
    text: "delete from quartet.relay_process where process = $1",
    values: [owner.process],
  });
}

/** Drops leases that nobody wants nor holds, and processes that were not seen for an hour. */
export async function dropStale(client: SqlClient, unwanted: readonly string[]): Promise<void> {
  await client.query({
    name: "drop stale leases",
    text: `with gone as (
  delete from quartet.relay_process where seen_at < now() - interval '1 hour'
)
delete from quartet.relay_lease
where name in (
  select name from quartet.relay_lease
  where name = any($1::text[]) and (holder is null or expires_at <= now()) for update skip locked
)`,
    values: [unwanted],
  });
}
