import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { encodeJson } from "../schema/json/json.ts";
import { isJsonMap, type JsonMap, own, setOwn } from "../schema/json/json-map.ts";
import { isWhole } from "../schema/json/reachable.ts";
import { hasPresence } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";

/**
 * New values of some fields of a row: each as in `create`, or `null` to clear a field that can be absent. A oneof is
 * given as a whole, `{ case: undefined }` clears it. A value that is undefined is refused: leave the field away.
 */
export type RowChanges<D extends DescMessage> = string extends MessageShape<D>["$typeName"]
  ? Readonly<Record<string, unknown>>
  : {
      readonly [K in keyof MessageShape<D> as K extends `$${string}` ? never : K]?:
        | Exclude<MessageInitShape<D>[K & keyof MessageInitShape<D>], undefined>
        | (undefined extends MessageShape<D>[K] ? null : never);
    };

/** Changes that were checked against their message. */
export interface ReadChanges {
  readonly set: readonly DescField[];
  readonly clear: readonly DescField[];
  /** Has the values of what is set. */
  readonly message: Message;
}

/**
 * @throws QuartetError `invalid_argument` naming a field that is unknown, is of the key, is given as undefined, or
 * cannot be cleared.
 */
export function readChanges(table: Table, changes: Readonly<Record<string, unknown>>): ReadChanges {
  const read = Object.entries(changes).map(([name, value]) => readChange(table, name, value));
  return {
    set: read.flatMap(({ set }) => set),
    clear: read.flatMap(({ clear }) => clear),
    message: create(
      table.message,
      Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null)),
    ),
  };
}

type FieldChange = Pick<ReadChanges, "set" | "clear">;

function readChange(table: Table, name: string, value: unknown): FieldChange {
  if (value === undefined) throw refused(`${name} is undefined: leave it away to keep it`, name);
  const oneof = table.message.oneofs.find((candidate) => candidate.localName === name);
  if (oneof !== undefined) return readOneof(oneof.fields, name, value);
  const field = table.message.fields.find((candidate) => candidate.localName === name);
  if (field === undefined || field.oneof !== undefined) {
    throw refused(`${table.name} has no field ${name}`, name);
  }
  if (table.key.some((column) => column.field === field)) {
    throw refused(`${name} is of the key, which cannot be changed`, name);
  }
  if (value !== null) return { set: [field], clear: [] };
  if (!hasPresence(field)) throw refused(`${name} is never absent, so it cannot be cleared`, name);
  return { set: [], clear: [field] };
}

function readOneof(members: readonly DescField[], name: string, value: unknown): FieldChange {
  const chosen = typeof value === "object" && value !== null && "case" in value ? value.case : undefined;
  const set = members.filter((member) => member.localName === chosen);
  if (chosen !== undefined && set.length === 0) throw refused(`${name} has no ${String(chosen)}`, name);
  return { set, clear: members.filter((member) => member.localName !== chosen) };
}

function refused(what: string, field: string): QuartetError {
  return new QuartetError("invalid_argument", `${what}.`, { field });
}

/** Whether a change can be laid over what is stored unseen: nothing inside it can be unknown to this build. */
export function isBlind({ set }: ReadChanges): boolean {
  return set.every((field) => {
    const many = field.fieldKind === "list" || field.fieldKind === "map";
    return field.message === undefined ? !(many && field.enum !== undefined) : isWhole(field.message);
  });
}

/** Changes as what to lay over a row's JSON, after the keys to remove from it. */
export function changesJson(
  table: Table,
  { set, clear, message }: ReadChanges,
  registry: Registry,
): { readonly remove: readonly string[]; readonly put: JsonMap } {
  const json = encodeJson(table.message, message, registry);
  const put: JsonMap = {};
  for (const { jsonName } of set) {
    const value = isJsonMap(json) ? own(json, jsonName) : undefined;
    if (value !== undefined) setOwn(put, jsonName, value);
  }
  // Readers take proto names too.
  const remove = [
    ...clear.flatMap(({ name, jsonName }) => [name, jsonName]),
    ...set.filter(({ name, jsonName }) => name !== jsonName).map(({ name }) => name),
  ];
  return { remove, put };
}

/** Makes changes in a draft of the row. */
export function applyChanges(draft: Message, { set, clear, message }: ReadChanges): void {
  // Messages have no index signature; local names are the very names of their properties.
  const [to, from] = [draft, message] as unknown as [Record<string, unknown>, Record<string, unknown>];
  for (const { localName, oneof } of clear) {
    if (oneof === undefined) delete to[localName];
    else to[oneof.localName] = { case: undefined };
  }
  for (const { localName, oneof } of set) {
    const name = oneof?.localName ?? localName;
    to[name] = from[name];
  }
}
