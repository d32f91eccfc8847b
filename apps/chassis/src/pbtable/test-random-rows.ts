import { create, type DescMessage, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import type { Kysely } from "kysely";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import { encodeJson } from "../schema/json/json.ts";
import { own } from "../schema/json/json-map.ts";
import { type Table, tableOf } from "../schema/table/table.ts";
import type { RandomTable } from "../schema/test-random-file.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import { createReader } from "./kysely.ts";
import { keyOf } from "./table-key.ts";
import { TableWriter } from "./table-writer.ts";

/** Ways in and out of one random table. */
export class RandomRows {
  readonly table: Table;
  readonly writer: TableWriter<DescMessage>;
  private readonly database: TestDatabase;
  private readonly drawn: RandomTable;

  constructor(database: TestDatabase, drawn: RandomTable) {
    this.database = database;
    this.drawn = drawn;
    this.table = tableOf(drawn.row);
    this.writer = new TableWriter(this.table, database.pool, drawn.registry);
  }

  json(message: LooseMessage | undefined): JsonObject | undefined {
    return message && (encodeJson(this.table.message, message, this.drawn.registry) as JsonObject);
  }

  async get(key: LooseMessage): Promise<JsonObject | undefined> {
    return this.json((await this.writer.get(keyOf(this.table, key))) as LooseMessage | undefined);
  }

  /** The row's columns as Kysely reads them. */
  async columns(key: LooseMessage): Promise<Record<string, unknown> | undefined> {
    // The table is not among those that generated code told the compiler of.
    const reader = createReader(this.database.pool) as unknown as Pick<
      Kysely<Record<string, Record<string, unknown>>>,
      "selectFrom"
    >;
    let query = reader.selectFrom(this.table.name).selectAll();
    for (const [index, part] of keyOf(this.table, key).entries()) {
      query = query.where(this.table.key[index]?.name ?? "", "=", part);
    }
    return query.executeTakeFirst();
  }

  /** Copies a row through the relational view to the key of another message. */
  async copy(from: LooseMessage, to: LooseMessage): Promise<void> {
    const keys = this.table.key.map(({ name }) => quoteIdentifier(name));
    const rest = this.table.columns.filter(({ path, name }) => path.length === 1 && !this.isKey(name));
    const names = [...keys, ...rest.map(({ name }) => quoteIdentifier(name))].join(", ");
    const values = [...this.bind(1), ...rest.map(({ name }) => quoteIdentifier(name))].join(", ");
    const match = `(${keys.join(", ")}) = (${this.bind(1 + keys.length).join(", ")})`;
    await this.database.query(
      `insert into ${this.view} (${names}) select ${values} from ${this.view} where ${match}`,
      [...keyOf(this.table, to), ...keyOf(this.table, from)].map(String),
    );
  }

  /** Gives a row, through the relational view, all columns of another one but the key. */
  async overwrite(to: LooseMessage, from: LooseMessage): Promise<void> {
    const keys = this.table.key.map(({ name }) => quoteIdentifier(name));
    const rest = this.table.columns.filter(({ path, name }) => path.length === 1 && !this.isKey(name));
    if (rest.length === 0) return;
    const set = rest
      .map(({ name }) => `${quoteIdentifier(name)} = source.${quoteIdentifier(name)}`)
      .join(", ");
    const match = (row: string, first: number) =>
      `(${keys.map((key) => `${row}.${key}`).join(", ")}) = (${this.bind(first).join(", ")})`;
    await this.database.query(
      `update ${this.view} target set ${set} from ${this.view} source
       where ${match("target", 1)} and ${match("source", 1 + keys.length)}`,
      [...keyOf(this.table, to), ...keyOf(this.table, from)].map(String),
    );
  }

  private get view(): string {
    return this.table.viewName.split(".").map(quoteIdentifier).join(".");
  }

  private bind(first: number): string[] {
    return this.table.key.map(({ sqlType }, index) => `$${first + index}::${sqlType}`);
  }

  isKey(name: string): boolean {
    return this.table.key.some((column) => column.name === name);
  }

  /** One message with the key of another. */
  withKey(message: LooseMessage, key: LooseMessage): LooseMessage {
    const parts = this.table.key.map(({ field }) => [field.localName, key[field.localName]] as const);
    return create(this.table.message, { ...message, ...Object.fromEntries(parts) }) as LooseMessage;
  }

  /** What the fields of a message are, key apart. */
  content(message: LooseMessage): Record<string, unknown> {
    const keys = new Set(["$typeName", "$unknown", ...this.table.key.map(({ field }) => field.localName)]);
    return Object.fromEntries(Object.entries(message).filter(([name]) => !keys.has(name)));
  }

  /** What the view keeps of a message: no hidden fields, microseconds, single precision. */
  shown(message: LooseMessage): JsonObject {
    const whole = this.json(message) ?? {};
    const zero = this.json(create(this.table.message) as LooseMessage) ?? {};
    const entries = this.table.message.fields.map((field) => {
      const column = this.table.columns.find(({ name }) => name === field.name);
      const value = own(column === undefined ? zero : whole, field.jsonName);
      return [field.jsonName, value === undefined ? undefined : cut(value, column?.sqlType)] as const;
    });
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as JsonObject;
  }
}

/** What a column of the type keeps of a value's ProtoJSON. */
function cut(json: JsonValue, sqlType: string | undefined): JsonValue {
  if (sqlType === "real" && typeof json === "number") return Math.fround(json);
  if (sqlType !== "timestamptz" && sqlType !== "interval") return json;
  const micros = String(json).replace(/(\.\d{6})\d{3}/, "$1");
  const short = micros.replace(/\.000000(?=\D)/, "").replace(/(\.\d{3})000(?=\D)/, "$1");
  return short === "-0s" ? "0s" : short;
}
