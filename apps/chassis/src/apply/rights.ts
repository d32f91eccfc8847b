import { operationRetentionFunctions } from "../command/operation-retention-ddl.ts";
import { sagaRetentionFunctions } from "../command/saga/saga-retention-ddl.ts";
import { inboxRetentionFunctions } from "../inbox/inbox-ddl.ts";
import { outboxRetentionFunctions } from "../outbox/outbox-retention-ddl.ts";
import { deliveryTables } from "../relay/delivery/delivery-ddl.ts";
import { leaseTables } from "../relay/lease/lease-ddl.ts";
import { logTables } from "../relay/log/log-ddl.ts";
import { segmentFunctionNames } from "../relay/log/segment-ddl.ts";
import type { Table } from "../schema/table/table.ts";
import { type RightKind, rightKey } from "./catalog/read-world.ts";

/** Privileges of roles on objects of one kind. Objects are named as {@link rightKey} says. */
export interface Rights {
  readonly kind: RightKind;
  readonly privileges: readonly string[];
  readonly roles: readonly string[];
  readonly objects: readonly string[];
}

/** What roles of a database must have, and what they must not. */
export interface RightsTarget {
  readonly granted: readonly Rights[];
  readonly revoked: readonly Rights[];
}

/** What a domain's tables are reached through: all by their `schema.name`. */
export interface MainObjects {
  readonly tables: readonly Table[];
  readonly views: readonly string[];
  readonly histories: readonly string[];
}

const all = ["select", "insert", "update", "delete"];
const readers = ["quartet_nano", "quartet_micro"];

/** In every database with an outbox: heartbeats through its WAL, and the retention of outbox, inbox, operations and runs. */
const upkeep: readonly Rights[] = [
  executeRights([
    "pg_logical_emit_message(boolean,text,text,boolean)",
    "pg_logical_emit_message(boolean,text,bytea,boolean)",
  ]),
  executeRights([...outboxRetentionFunctions, ...inboxRetentionFunctions]),
  executeRights([...operationRetentionFunctions, ...sagaRetentionFunctions]),
];

/**
 * Rights in the main database, as DESIGN's table of classes has them and nothing beyond.
 *
 * @param dedicated events have a database of their own: what a micro may publish to is there and no longer here
 */
export function mainRights(objects: MainObjects, dedicated: boolean): RightsTarget {
  const { tables, views, histories } = objects;
  const schemas = [...new Set(["quartet", ...tables.map((table) => table.schemaName)])];
  const data = [...tables.map((table) => table.name), ...views];
  const queues = relationRights(["insert"], ["quartet_micro"], ["quartet.outbox", "quartet.inbox"]);
  return {
    granted: [
      onSchemas(["quartet_crud", ...readers], schemas),
      onSchemas(["quartet_relay"], ["quartet"]),
      relationRights(["select"], readers, data),
      relationRights(all, ["quartet_crud"], data),
      relationRights(["select"], ["quartet_crud", ...readers], histories),
      relationRights(["insert"], ["quartet_crud"], ["quartet.outbox", "quartet.inbox"]),
      relationRights(["select"], ["quartet_relay"], ["quartet.outbox"]),
      // Decisions that rest on a row being absent lock its name (check-preconditions.ts).
      executeRights(["pg_advisory_xact_lock(bigint)"], "quartet_crud"),
      ...upkeep,
    ],
    revoked: dedicated ? [queues] : [],
  };
}

/** Rights in the events database. */
export function eventsRights(tables: readonly Table[]): RightsTarget {
  const own = [...logTables, ...leaseTables, ...deliveryTables].map((name) => `quartet.${name}`);
  return {
    granted: [
      onSchemas(["quartet_micro", "quartet_relay"], ["quartet"]),
      relationRights(["insert"], ["quartet_micro"], ["quartet.outbox", "quartet.inbox"]),
      relationRights(all, ["quartet_relay"], [...own, ...tables.map((table) => table.name)]),
      relationRights(["select", "insert"], ["quartet_relay"], ["quartet.outbox"]),
      // The effect of an event that is answered with events is their publication.
      relationRights(["insert"], ["quartet_relay"], ["quartet.inbox"]),
      ...upkeep,
      executeRights(segmentFunctionNames),
    ],
    revoked: [],
  };
}

/**
 * The part of `rights` that is not there (or, of what must not be, is), one entry for all roles that lack the same. Nothing
 * is in two entries.
 */
export function differingRights(
  rights: readonly Rights[],
  existing: ReadonlySet<string>,
  wanted: "granted" | "revoked",
): readonly Rights[] {
  const planned = new Set<string>();
  const differs = (key: string) => existing.has(key) === (wanted === "revoked") && !planned.has(key);
  return rights.flatMap(({ kind, roles, objects, privileges }) => {
    const keysOf = (role: string, object: string) =>
      privileges.map((privilege) => rightKey(kind, object, role, privilege));
    const byObjects = new Map<string, Rights>();
    for (const role of roles) {
      const left = objects.filter((object) => keysOf(role, object).some(differs));
      const all = [...(byObjects.get(left.join())?.roles ?? []), role];
      if (left.length > 0) byObjects.set(left.join(), { kind, privileges, roles: all, objects: left });
      for (const key of left.flatMap((object) => keysOf(role, object))) planned.add(key);
    }
    return [...byObjects.values()];
  });
}

function executeRights(objects: readonly string[], role = "quartet_relay"): Rights {
  return { kind: "function", privileges: ["execute"], roles: [role], objects };
}

function onSchemas(roles: readonly string[], objects: readonly string[]): Rights {
  return { kind: "schema", privileges: ["usage"], roles, objects };
}

function relationRights(
  privileges: readonly string[],
  roles: readonly string[],
  objects: readonly string[],
): Rights {
  return { kind: "relation", privileges, roles, objects };
}
