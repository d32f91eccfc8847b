import { quoteIdentifier } from "../schema/identifier.ts";
import type { ObservedRights, RightsFault } from "./find-class.ts";
import type { LoginRights, TableRights } from "./rights.ts";
import type { ServiceClass } from "./service-class.ts";

/** A right on a table. */
export type Right = "select" | "insert" | "update" | "delete" | "truncate";

/** What keeps a process from being of a class, each with the SQL that mends it. Empty: it may be. */
export function missingRights(serviceClass: ServiceClass, observed: ObservedRights): readonly RightsFault[] {
  const { main, events } = observed;
  if (serviceClass === "lambda") return [];
  if (main === undefined) return [{ what: "there is no DATABASE_URL", fix: "-- set DATABASE_URL" }];
  const read = [...missingUsage(main, main.unusable), ...missingOn(main, main.tables, ["select"])];
  if (serviceClass === "nano") return read;
  return [...read, ...(serviceClass === "crud" ? missingForCrud(main) : missingForMicro(events))];
}

function missingForCrud(main: LoginRights): RightsFault[] {
  if (main.inRecovery) {
    const what = `${main.database} is a replica, which cannot be written`;
    return [{ what, fix: "-- point DATABASE_URL at the primary" }];
  }
  return [
    ...missingOn(main, main.tables, ["insert", "update", "delete"]),
    ...missingOn(main, [main.outbox, main.inbox], ["insert"]),
  ];
}

function missingForMicro(events: LoginRights | undefined): RightsFault[] {
  if (events === undefined) {
    return [{ what: "there is no EVENTS_DATABASE_URL", fix: "-- set EVENTS_DATABASE_URL" }];
  }
  const unusable = events.unusable.filter((schema) => schema === "quartet");
  return [...missingUsage(events, unusable), ...missingOn(events, [events.outbox, events.inbox], ["insert"])];
}

function missingUsage(login: LoginRights, schemas: readonly string[]): RightsFault[] {
  return schemas.map((schema) => ({
    what: `${login.login} may not use schema ${schema} in ${login.database}`,
    fix: `grant usage on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(login.login)};`,
  }));
}

function missingOn(
  login: LoginRights,
  tables: readonly TableRights[],
  rights: readonly Right[],
): RightsFault[] {
  return tables.flatMap((table) => {
    if (!table.exists) {
      return [{ what: `there is no ${table.name} in ${login.database}`, fix: "-- run: quartet apply" }];
    }
    return rights
      .filter((right) => !table[right])
      .map((right) => ({
        what: `${login.login} may not ${right} on ${table.name} in ${login.database}`,
        fix: `grant ${right} on ${quoteTable(table.name)} to ${quoteIdentifier(login.login)};`,
      }));
  });
}

/** `schema.table` with both parts quoted. */
export function quoteTable(name: string): string {
  return name.split(".").map(quoteIdentifier).join(".");
}
