import type { DescMessage } from "@bufbuild/protobuf";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { fitsIdentifier } from "../identifier.ts";
import { inTable, type ReportFault } from "./schema-fault.ts";

/** The two parts of a table's name; both empty when it is none. */
export interface TableName {
  readonly schemaName: string;
  readonly tableName: string;
}

/** What is appended to a table's name for what belongs to it; the longest that there may be. */
const suffixes = ["_view", "_pkey", "_history_default", "_history_2000_01"] as const;

/** The schema that only the platform's own messages have tables in. */
const platformSchema = "quartet";
const platformPackage = "quartet.v1";

/** Reads `name` of the table option: `schema.table`, in any characters that need no care but quotes. */
export function readTableName(message: DescMessage, name: string, report: ReportFault): TableName {
  const fault = (what: string) =>
    report(what, inTable(message, options.TableOptionsSchema.field.name.number));
  const [schemaName = "", tableName = "", ...rest] = name.split(".");
  if (schemaName === "" || tableName === "" || rest.length > 0) {
    fault(`table name ${JSON.stringify(name)} is not of the form "schema.table"`);
    return { schemaName: "", tableName: "" };
  }
  // Kysely trims names, and reads "a as b" as an alias.
  if (/[\s\p{C}]/u.test(name)) {
    fault(`table name ${JSON.stringify(name)} holds white space or a control character`);
    return { schemaName: "", tableName: "" };
  }
  if (!fitsIdentifier(schemaName)) fault(tooLong("schema", schemaName));
  requireTableFits(tableName, fault);
  requireOwnSchema(message, schemaName, fault);
  return { schemaName, tableName };
}

/** What to say of a name that Postgres would cut silently. */
export function tooLong(what: string, name: string): string {
  return `${what} "${name}" is too long for a name in SQL: ${Buffer.byteLength(name)} bytes, and Postgres keeps 63`;
}

function requireTableFits(tableName: string, fault: (what: string) => void): void {
  if (!fitsIdentifier(tableName)) {
    fault(tooLong("table", tableName));
    return;
  }
  const longest = suffixes.find((suffix) => !fitsIdentifier(`${tableName}${suffix}`));
  if (longest === undefined) return;
  const most = 63 - Math.max(...suffixes.map((suffix) => suffix.length));
  fault(
    `table "${tableName}" is too long for the names of its view and history in SQL: use ${most} bytes at most`,
  );
}

function requireOwnSchema(message: DescMessage, schemaName: string, fault: (what: string) => void): void {
  if (schemaName === platformSchema && message.file.proto.package !== platformPackage) {
    fault(`schema "${schemaName}" is for the platform's own tables`);
  }
  if (schemaName.startsWith("pg_") || schemaName === "information_schema") {
    fault(`schema "${schemaName}" belongs to Postgres`);
  }
}
