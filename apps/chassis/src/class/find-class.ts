import { quoteIdentifier } from "../schema/identifier.ts";
import { missingRights, quoteTable, type Right } from "./missing-rights.ts";
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

/**
 * Decides the class from rights alone. Pure: the same rights always make the same class.
 *
 * A login that holds more than half of what the crud class needs on a primary is a crud login that lacks the rest, not
 * a nano with too much: what mends it differs.
 */
export function findClass(observed: ObservedRights): FoundClass | NoClass {
  const { main, events } = observed;
  if (main === undefined) {
    return { serviceClass: "lambda", reasons: ["no DATABASE_URL"], surplus: [] };
  }
  const nearest = !main.inRecovery && writesMostly(main) ? "crud" : events === undefined ? "nano" : "micro";
  const missing = missingRights(nearest, observed);
  if (missing.length > 0) return { serviceClass: undefined, nearest, missing };
  if (nearest === "crud") return foundCrud(main);
  return events === undefined ? foundNano(main) : foundMicro(main, events);
}

function writesMostly(main: LoginRights): boolean {
  const held = main.tables.flatMap((table) => [table.insert, table.update, table.delete]);
  return held.filter(Boolean).length * 2 > held.length;
}

function foundCrud(main: LoginRights): FoundClass {
  return {
    serviceClass: "crud",
    reasons: [
      `${main.login} may read and write the ${main.tables.length} tables of ${main.database}`,
      `${main.database} is a primary`,
      "may append to its outbox",
    ],
    surplus: [...surplusOfLogin(main, ["quartet_relay"]), ...surplusOn(main, main.tables, ["truncate"])],
  };
}

function foundNano(main: LoginRights): FoundClass {
  return {
    serviceClass: "nano",
    reasons: [...reading(main), "no EVENTS_DATABASE_URL"],
    surplus: [
      ...surplusOfLogin(main, ["quartet_crud", "quartet_relay"]),
      ...surplusOn(main, [...main.tables, main.outbox, main.inbox], changes),
    ],
  };
}

function foundMicro(main: LoginRights, events: LoginRights): FoundClass {
  // One database may be both; what it may do to the outbox there is what a micro has to.
  const same = main.systemId === events.systemId && main.database === events.database;
  const mainTables = same ? main.tables : [...main.tables, main.outbox, main.inbox];
  const groups = ["quartet_crud", "quartet_relay"];
  return {
    serviceClass: "micro",
    reasons: [...reading(main), `may insert into outbox and inbox of ${events.database}`],
    surplus: distinct([
      ...surplusOfLogin(main, groups),
      ...surplusOn(main, mainTables, changes),
      ...surplusOfLogin(events, groups),
      ...surplusOn(events, [events.outbox, events.inbox], ["select", "update", "delete", "truncate"]),
    ]),
  };
}

const changes: readonly Right[] = ["insert", "update", "delete", "truncate"];

function surplusOn(
  login: LoginRights,
  tables: readonly TableRights[],
  rights: readonly Right[],
): RightsFault[] {
  return tables.flatMap((table) => {
    // A right may come from the login itself, a group it is in, or everybody: revoking what is not granted does nothing.
    const from = [quoteIdentifier(login.login), ...table.grantees].join(", ");
    return rights
      .filter((right) => holds(table, right))
      .map((right) => ({
        what: `${login.login} may ${right} on ${table.name} in ${login.database}`,
        fix: `revoke ${right} on ${quoteTable(table.name)} from ${from};`,
      }));
  });
}

/** On the table, or on a column of it. */
function holds(table: TableRights, right: Right): boolean {
  if (right === "insert") return table.insertSome;
  return right === "update" ? table.updateSome : table[right];
}

function surplusOfLogin(login: LoginRights, groups: readonly string[]): RightsFault[] {
  const name = quoteIdentifier(login.login);
  return [
    ...login.attributes.map((attribute) => ({
      what: `${login.login} is ${attribute} in ${login.database}`,
      fix: `alter role ${name} no${attribute};`,
    })),
    ...login.groups
      .filter((group) => groups.includes(group))
      .map((group) => ({
        what: `${login.login} is a member of ${group} in ${login.database}`,
        fix: `revoke ${quoteIdentifier(group)} from ${name};`,
      })),
    ...login.creatable.map((schema) => ({
      what: `${login.login} may create objects in schema ${schema} of ${login.database}`,
      fix: `revoke create on schema ${quoteIdentifier(schema)} from ${name};`,
    })),
  ];
}

function reading(main: LoginRights): string[] {
  return [
    `${main.login} may only select from the ${main.tables.length} tables of ${main.database}`,
    main.inRecovery ? `${main.database} is a replica` : `${main.database} is a primary`,
  ];
}

function distinct(faults: readonly RightsFault[]): RightsFault[] {
  return [...new Map(faults.map((fault) => [fault.what, fault])).values()];
}
