import { createOutboxPublicationSql, outboxPublication } from "../../outbox/outbox-ddl.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Catalog } from "../catalog/read-catalog.ts";
import { createRoleSql, groupRoles } from "../roles-ddl.ts";
import type { SchemaTarget } from "../schema-target.ts";
import { catalogOnly, noLock, type Step } from "../step.ts";
import { isReplaced, planObjects } from "./plan-objects.ts";
import { planRights } from "./plan-rights.ts";
import { planIndexes, planTable } from "./plan-tables.ts";

/** The steps that a database lacks to be the target, in their order. None drops or rewrites anything that is of use. */
export function planSchema(
  target: SchemaTarget,
  catalog: Catalog,
  record: readonly Step[] = [],
): readonly Step[] {
  const { world, tables } = catalog;
  const schemas = [...new Set(target.tables.map((table) => table.schemaName))];
  return [
    ...planSchemas(["quartet"], catalog),
    ...record,
    ...groupRoles.filter((role) => !world.roles.has(role)).map(roleStep),
    ...planSchemas(
      schemas.filter((name) => name !== "quartet"),
      catalog,
    ),
    ...planObjects(catalog.platform, catalog),
    ...tables.flatMap(planTable),
    ...tables.flatMap(({ changes }) => planObjects(changes, catalog)),
    ...tables.flatMap(({ view }) =>
      view.some(({ identity }) => isReplaced(catalog.objects.get(identity)))
        ? []
        : planObjects(view, catalog),
    ),
    ...(world.publication === undefined ? [publicationStep] : []),
    ...planRights(target.rights, world),
    ...tables.flatMap((table) => planIndexes(table, world)),
  ];
}

function planSchemas(names: readonly string[], { world }: Catalog): readonly Step[] {
  return names
    .filter((name) => !world.schemas.has(name))
    .map((name) => ({
      what: `schema ${name}`,
      sql: `create schema if not exists ${quoteIdentifier(name)}`,
      lock: noLock,
      duration: catalogOnly,
    }));
}

function roleStep(role: string): Step {
  return { what: `role ${role}`, sql: createRoleSql(role), lock: noLock, duration: catalogOnly };
}

const publicationStep: Step = {
  what: `publication ${outboxPublication}`,
  sql: createOutboxPublicationSql,
  lock: "SHARE UPDATE EXCLUSIVE on quartet.outbox: reads and writes go on",
  duration: catalogOnly,
};
