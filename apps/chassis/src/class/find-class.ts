import type { LoginRights, TableRights } from "./rights.ts";
import type { ServiceClass } from "./service-class.ts";

/** The class a process is, why, and which rights its login has beyond it. */
export interface FoundClass {
  readonly serviceClass: ServiceClass;
  readonly reasons: readonly string[];
  /** Rights beyond the class, each with the SQL that takes it away. Empty: the login is exact. */
  readonly surplus: readonly RightsFault[];
}

/** A right that is missing or too much. */
export interface RightsFault {
  readonly what: string;
  readonly fix: string;
}

/** No class fits: what is missing for the nearest one. */
export interface NoClass {
  readonly serviceClass: undefined;
  readonly nearest: ServiceClass;
  readonly missing: readonly RightsFault[];
}

/** What the probes saw; `undefined` where the environment names no such database. */
export interface ObservedRights {
  readonly main: LoginRights | undefined;
  readonly events: LoginRights | undefined;
}

/** Decides the class from rights alone. Pure: the same rights always make the same class. */
export function findClass(observed: ObservedRights): FoundClass | NoClass {
  const { main, events } = observed;
  if (main === undefined) {
    return { serviceClass: "lambda", reasons: ["no DATABASE_URL"], surplus: [] };
  }
  const unreadable = main.tables.filter((table) => !table.select);
  const writable = main.tables.filter((table) => table.insert && table.update && table.delete);
  if (unreadable.length > 0) return nearestClass(main, events, unreadable, "select");
  if (!main.inRecovery && main.tables.length > 0 && writable.length === main.tables.length) {
    return findCrud(main);
  }
  return events === undefined ? findNano(main) : findMicro(main, events);
}

function findCrud(main: LoginRights): FoundClass | NoClass {
  const missing = [main.outbox, main.inbox]
    .filter((table) => !table.insert)
    .map((table) => missingGrant(main, "insert", table.name));
  if (missing.length > 0) return { serviceClass: undefined, nearest: "crud", missing };
  return {
    serviceClass: "crud",
    reasons: [
      `${main.login} may read and write the ${main.tables.length} tables of ${main.database}`,
      `${main.database} is a primary`,
      "may append to its outbox",
    ],
    surplus: [...surplusOfLogin(main), ...surplusOn(main, main.tables, ["truncate"])],
  };
}

function findNano(main: LoginRights): FoundClass {
  return {
    serviceClass: "nano",
    reasons: [readsOnly(main), standing(main), "no EVENTS_DATABASE_URL"],
    surplus: [
      ...surplusOfLogin(main),
      ...surplusOn(main, main.tables, changes),
      ...surplusOn(main, [main.outbox, main.inbox], changes),
    ],
  };
}

function findMicro(main: LoginRights, events: LoginRights): FoundClass | NoClass {
  const missing = [events.outbox, events.inbox]
    .filter((table) => !table.insert)
    .map((table) => missingGrant(events, "insert", table.name));
  if (missing.length > 0) return { serviceClass: undefined, nearest: "micro", missing };
  return {
    serviceClass: "micro",
    reasons: [readsOnly(main), standing(main), `may insert into outbox and inbox of ${events.database}`],
    surplus: [
      ...surplusOfLogin(main),
      ...surplusOn(main, main.tables, changes),
      ...surplusOn(main, [main.outbox, main.inbox], changes),
      ...surplusOfLogin(events),
      ...surplusOn(events, [events.outbox, events.inbox], ["select", "update", "delete", "truncate"]),
    ],
  };
}

function nearestClass(
  main: LoginRights,
  events: LoginRights | undefined,
  tables: readonly TableRights[],
  right: Right,
): NoClass {
  return {
    serviceClass: undefined,
    nearest: events === undefined ? "nano" : "micro",
    missing: tables.map((table) => missingGrant(main, right, table.name)),
  };
}

type Right = "select" | "insert" | "update" | "delete" | "truncate";
const changes: readonly Right[] = ["insert", "update", "delete", "truncate"];

function surplusOn(
  login: LoginRights,
  tables: readonly TableRights[],
  rights: readonly Right[],
): RightsFault[] {
  return tables.flatMap((table) =>
    rights
      .filter((right) => table[right])
      .map((right) => ({
        what: `${login.login} may ${right} on ${table.name} in ${login.database}`,
        fix: `revoke ${right} on ${table.name} from ${login.login};`,
      })),
  );
}

function surplusOfLogin(login: LoginRights): RightsFault[] {
  return [
    ...login.attributes.map((attribute) => ({
      what: `${login.login} is ${attribute} in ${login.database}`,
      fix: `alter role ${login.login} no${attribute};`,
    })),
    ...login.creatable.map((schema) => ({
      what: `${login.login} may create objects in schema ${schema} of ${login.database}`,
      fix: `revoke create on schema ${schema} from ${login.login};`,
    })),
  ];
}

function missingGrant(login: LoginRights, right: Right, table: string): RightsFault {
  return {
    what: `${login.login} may not ${right} on ${table} in ${login.database}`,
    fix: `grant ${right} on ${table} to ${login.login};`,
  };
}

function readsOnly(main: LoginRights): string {
  return `${main.login} may only select from the ${main.tables.length} tables of ${main.database}`;
}

function standing(main: LoginRights): string {
  return main.inRecovery ? `${main.database} is a replica` : `${main.database} is a primary`;
}
