import { describe, expect, test } from "vitest";
import { findClass, type ObservedRights } from "./find-class.ts";
import type { LoginRights, TableRights } from "./rights.ts";

type RightName = "select" | "insert" | "update" | "delete" | "truncate";

function table(name: string, ...rights: RightName[]): TableRights {
  const may = (right: RightName) => rights.includes(right);
  return {
    name,
    exists: true,
    select: may("select"),
    insert: may("insert"),
    update: may("update"),
    delete: may("delete"),
    truncate: may("truncate"),
    insertSome: may("insert"),
    updateSome: may("update"),
    grantees: [],
  };
}

function login(tables: TableRights[], more: Partial<LoginRights> = {}): LoginRights {
  return {
    login: "app",
    database: "shop",
    systemId: "1",
    inRecovery: false,
    groups: [],
    attributes: [],
    creatable: [],
    unusable: [],
    tables,
    outbox: table("quartet.outbox"),
    inbox: table("quartet.inbox"),
    ...more,
  };
}

const all: RightName[] = ["select", "insert", "update", "delete"];
const appends = { outbox: table("quartet.outbox", "insert"), inbox: table("quartet.inbox", "insert") };
const crud = login([table("shop.a", ...all), table("shop.b", ...all)], appends);
const reader = login([table("shop.a", "select"), table("shop.b", "select")]);
const events = login([], { ...appends, database: "events", systemId: "2" });

const faultsOf = (observed: ObservedRights) => {
  const found = findClass(observed);
  return found.serviceClass === undefined ? found.missing : found.surplus;
};

describe("findClass", () => {
  test.each<[string, ObservedRights, string, number]>([
    ["nothing", { main: undefined, events: undefined }, "lambda", 0],
    ["an events database alone", { main: undefined, events }, "lambda", 0],
    ["all on a primary", { main: crud, events: undefined }, "crud", 0],
    ["all on a primary, with an events database", { main: crud, events }, "crud", 0],
    ["reads", { main: reader, events: undefined }, "nano", 0],
    ["reads of a replica", { main: { ...reader, inRecovery: true }, events: undefined }, "nano", 0],
    ["reads, and appends elsewhere", { main: { ...reader, inRecovery: true }, events }, "micro", 0],
    [
      "reads, and appends to the same database",
      { main: { ...reader, ...appends }, events: { ...reader, ...appends } },
      "micro",
      0,
    ],
    ["all on a replica", { main: { ...crud, inRecovery: true }, events: undefined }, "nano", 8],
    ["a superuser's", { main: { ...crud, attributes: ["superuser"] }, events: undefined }, "crud", 1],
    [
      "reads and appends, without an events database",
      { main: { ...reader, ...appends }, events: undefined },
      "nano",
      2,
    ],
  ])("%s makes a class", (_, observed, serviceClass, surplus) => {
    const found = findClass(observed);
    expect(found.serviceClass).toBe(serviceClass);
    expect(faultsOf(observed)).toHaveLength(surplus);
  });

  test("the same name of a database on another system is another database", () => {
    const main = { ...reader, ...appends };
    expect(findClass({ main, events: { ...main, systemId: "2" } })).toMatchObject({ serviceClass: "micro" });
    expect(faultsOf({ main, events: { ...main, systemId: "2" } })).toHaveLength(2);
  });

  test("a nano with one write right is a nano with too much", () => {
    const main = login([table("shop.a", "select", "insert"), table("shop.b", "select")]);
    expect(findClass({ main, events: undefined })).toEqual({
      serviceClass: "nano",
      reasons: expect.any(Array),
      surplus: [{ what: "app may insert on shop.a in shop", fix: 'revoke insert on "shop"."a" from "app";' }],
    });
  });

  test.each<[string, LoginRights, LoginRights | undefined, string, string]>([
    [
      "no delete on one table",
      login([table("shop.a", ...all), table("shop.b", "select", "insert", "update")], appends),
      undefined,
      "crud",
      'grant delete on "shop"."b" to "app";',
    ],
    [
      "no outbox",
      { ...crud, outbox: table("quartet.outbox") },
      undefined,
      "crud",
      'grant insert on "quartet"."outbox" to "app";',
    ],
    [
      "one table unread",
      login([table("shop.a", "select"), table("shop.b")]),
      undefined,
      "nano",
      'grant select on "shop"."b" to "app";',
    ],
    [
      "a schema unused",
      { ...reader, unusable: ["shop"] },
      undefined,
      "nano",
      'grant usage on schema "shop" to "app";',
    ],
    [
      "no inbox in events",
      reader,
      { ...events, inbox: table("quartet.inbox") },
      "micro",
      'grant insert on "quartet"."inbox" to "app";',
    ],
    [
      "no use of events",
      reader,
      { ...events, unusable: ["shop", "quartet"] },
      "micro",
      'grant usage on schema "quartet" to "app";',
    ],
    [
      "a table that is not there",
      login([{ ...table("shop.a"), exists: false }]),
      undefined,
      "nano",
      "-- run: quartet apply",
    ],
  ])("%s fits no class, and names what mends it", (_, main, other, nearest, fix) => {
    const found = findClass({ main, events: other });
    expect(found).toMatchObject({ serviceClass: undefined, nearest });
    expect(faultsOf({ main, events: other }).map((fault) => fault.fix)).toEqual([fix]);
  });

  test("names are quoted in the SQL", () => {
    const odd = { ...login([table("shop.Order")]), login: 'odd-"name' };
    expect(faultsOf({ main: odd, events: undefined }).map((fault) => fault.fix)).toEqual([
      'grant select on "shop"."Order" to "odd-""name";',
    ]);
  });
});
