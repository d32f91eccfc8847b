import { DeadLetterSchema, SubscriptionSchema } from "../gen/quartet/v1/subscription_pb.ts";
import type { DdlObject } from "../pbtable/ddl-object.ts";
import { deliverySql } from "../relay/delivery/delivery-ddl.ts";
import { leaseSql } from "../relay/lease/lease-ddl.ts";
import { logSql } from "../relay/log/log-ddl.ts";
import { segmentFunctions } from "../relay/log/segment-ddl.ts";
import { systemTables } from "../schema/system-tables.ts";
import { type Table, tableOf } from "../schema/table/table.ts";
import type { Domain } from "../service/domain.ts";
import { eventsRights, mainRights, type RightsTarget } from "./rights.ts";
import { historyRelations } from "./table-objects.ts";

/** What a database has to have. */
export interface SchemaTarget {
  readonly tables: readonly Table[];
  readonly relay: RelayObjects;
  readonly rights: RightsTarget;
  /** Partitions are made around it. */
  readonly now: Date;
}

/** What relays keep, where they keep it. */
export interface RelayObjects {
  /** Statements that are safe to repeat. */
  readonly tables: readonly string[];
  readonly functions: readonly DdlObject[];
}

/** What the main database of a domain has to have. */
export function mainTarget(domain: Domain, dedicated: boolean, now: Date): SchemaTarget {
  const tables = [...domain.tables, ...systemTables];
  const objects = {
    tables,
    views: tables.map((table) => table.viewName),
    histories: historyRelations(tables),
  };
  return { tables, relay: { tables: [], functions: [] }, rights: mainRights(objects, dedicated), now };
}

/** What an events database has to have. */
export function eventsTarget(now: Date): SchemaTarget {
  const tables = [tableOf(SubscriptionSchema), tableOf(DeadLetterSchema)];
  const relay = { tables: [...logSql, ...leaseSql, ...deliverySql], functions: segmentFunctions() };
  return { tables, relay, rights: eventsRights(tables), now };
}

/** What a database has to have that is main and events at once. */
export function mergeTargets(main: SchemaTarget, events: SchemaTarget): SchemaTarget {
  return {
    tables: [...main.tables, ...events.tables],
    relay: events.relay,
    rights: {
      granted: [...main.rights.granted, ...events.rights.granted],
      revoked: [...main.rights.revoked, ...events.rights.revoked],
    },
    now: main.now,
  };
}
