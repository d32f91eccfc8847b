import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { type FaultPlace, inTable, refuseFaults, type SchemaFault } from "./schema-fault.ts";
import { isTable, readTable, type Table } from "./table.ts";
import { placeOfIndex } from "./table-index.ts";

/** The tables of a domain, and all that is wrong with any of them or with all together. */
export interface TableSet {
  readonly tables: readonly Table[];
  readonly faults: readonly SchemaFault[];
}

/** A name that something of a table has among the relations of its schema. */
interface Claim {
  readonly table: Table;
  readonly name: string;
  /** What has the name, such as `view`. */
  readonly what: string;
  readonly place: FaultPlace;
}

/**
 * The tables among some messages.
 *
 * @throws QuartetError `invalid_argument` with every fault of every table on a line of its own.
 */
export function tablesAmong(messages: Iterable<DescMessage>): readonly Table[] {
  const { tables, faults } = readTables(messages);
  refuseFaults(faults);
  return tables;
}

/** Reads the tables among some messages: those of a domain, all of them, since names clash between tables too. */
export function readTables(messages: Iterable<DescMessage>): TableSet {
  const read = [...messages].filter(isTable).map(readTable);
  const tables = read.map(({ table }) => table);
  return { tables, faults: [...read.flatMap(({ faults }) => faults), ...findClashes(tables)] };
}

/** Every message of some files, nested ones too. */
export function messagesOf(files: Iterable<DescFile>): readonly DescMessage[] {
  return [...files].flatMap((file) => [...nestedTypes(file)].filter((type) => type.kind === "message"));
}

/** Tables, views and indexes of one schema share their names, so those of each table must be its own. */
function findClashes(tables: readonly Table[]): SchemaFault[] {
  const named = tables.filter((table) => table.tableName !== "");
  const twins = new Map<string, Table>();
  const faults: SchemaFault[] = [];
  for (const table of named) {
    const twin = twins.get(table.name);
    if (twin === undefined) twins.set(table.name, table);
    else
      faults.push({
        what: `table "${table.name}" is that of ${twin.message.typeName} too`,
        place: nameOf(table),
      });
  }
  const distinct = [...twins.values()];
  for (const schema of new Set(distinct.map((table) => table.schemaName))) {
    const claims = distinct.filter((table) => table.schemaName === schema).flatMap(claimsOf);
    faults.push(...findNamesakes(claims), ...findHistoryClashes(claims));
  }
  return faults;
}

function claimsOf(table: Table): readonly Claim[] {
  const { tableName } = table;
  const own = (what: string, name: string) => ({ table, name, what, place: nameOf(table) });
  return [
    own("table", tableName),
    own("view", `${tableName}_view`),
    own("primary key", `${tableName}_pkey`),
    ...table.indexes.map((index, position) => ({
      table,
      name: index.name,
      what: "index",
      place: placeOfIndex(table.message, position),
    })),
  ];
}

function findNamesakes(claims: readonly Claim[]): readonly SchemaFault[] {
  const first = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const other = first.get(claim.name);
    if (other === undefined) first.set(claim.name, claim);
    // What a table has twice is a fault of its own, and known already.
    if (other === undefined || other.table === claim.table) return [];
    const indexes = claim.what === "index" && other.what === "index";
    const fix = indexes ? ': order one of its fields "desc", and the name is another' : "";
    return {
      what: `${describe(claim)} has the name of the ${other.what} of ${other.table.message.typeName}${fix}`,
      place: claim.place,
    };
  });
}

/** A history is more than one table, and new months come; so its names are known by their form. */
const historyName = /^_history(_default|_\d{4}_\d{2})?(_pkey|_place_*_seq)?$/;

function findHistoryClashes(claims: readonly Claim[]): readonly SchemaFault[] {
  const tables = [...new Set(claims.map(({ table }) => table))];
  const histories = tables.filter((table) => table.history !== undefined);
  return histories.flatMap(({ tableName, message }) =>
    tables.flatMap((table) => {
      const claim = claims.find(
        ({ table: owner, name }) =>
          owner === table && name.startsWith(tableName) && historyName.test(name.slice(tableName.length)),
      );
      if (claim === undefined) return [];
      const what = `${describe(claim)} has a name that the history of ${message.typeName} needs`;
      return [{ what, place: claim.place }];
    }),
  );
}

function describe({ what, name, table }: Claim): string {
  return what === "table" ? `table "${table.name}"` : `its ${what} "${name}"`;
}

function nameOf({ message }: Table): FaultPlace {
  return inTable(message, options.TableOptionsSchema.field.name.number);
}
