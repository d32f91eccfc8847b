import type { OwnRule } from "./rules/rule-break.ts";

const newField =
  "add a new field beside it, write both for as long as older builds live, read the new one and fall back to the old one";
const reserveField =
  'put the field back; once no build reads it, delete it with its number and name reserved: reserved 7; reserved "old_name";';
const reserveValue =
  'put the value back; once no build writes it, delete it with its number and name reserved: reserved 3; reserved "OLD_NAME";';
const keepDeclaration =
  "leave it in its proto, mark it deprecated and stop using it: rows, logs, dead letters and backups still hold it";
const keepReserved = "put the reservation back: what it stands for is still stored";
const newMethod = "add a method beside it, and let the old one answer for as long as clients call it";
const newTable =
  "declare another table under another message, publish what happens to the old one and fill the new one from that";
const keepEncoding = "take the option back: what is stored was written without it";

/** The compatible way to do what our own rules forbid. */
const ownFixes: Readonly<Record<OwnRule, string>> = {
  TABLE_NO_DELETE:
    "leave the message and its table option where they are, and stop writing: an empty table costs nothing",
  TABLE_SAME_NAME: `put the name back, since the rows are in that table; or ${newTable}`,
  TABLE_SAME_KEY: `put the key back; a unique index may make other fields unique as well; or ${newTable}`,
  TABLE_HISTORY_NO_DISABLE: "leave history on; a shorter history_retention keeps less of it",
  TABLE_PUBLISH_NO_DISABLE:
    "leave publish on and drop its subscriptions: an event nobody takes costs a row in the outbox",
  COLUMN_NO_HIDE:
    "leave the column: it is virtual and takes no room. Only new fields can be hidden from the start",
  COLUMN_PATH_NO_DELETE: "leave the path: its column is virtual and takes no room",
  COLUMN_SAME_SOURCE:
    "give the new field another name: databases of before have the column, made of the old one",
  INDEX_UNIQUE_NO_DELETE:
    "leave the unique index; where its rows need not differ any more, add a field that says what does, with an index of its own",
  EVENT_SAME_KEY: "declare another event with the new key and publish both until nobody takes the old one",
  EVENT_SAME_AGGREGATE_TYPE:
    "put the aggregate type back (none means the message's full name), or declare another event and publish both",
  METHOD_SAME_KIND: newMethod,
  HTTP_SAME_PATH: "put the binding back and give the new one in additional_bindings",
  HTTP_SAME_BODY: "put the body back and give the new form a path of its own in additional_bindings",
  ONEOF_MEMBER_COMES_LAST: "give the new member a number above those of all members that were released",
  ENUM_VALUE_SAME_JSON_NAME: "name the released one first, and other names of the number after it",
};

/** The same for the rules of buf that are in force. */
const bufFixes: Readonly<Record<string, string>> = {
  FIELD_NO_DELETE_UNLESS_NAME_RESERVED: reserveField,
  FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED: reserveField,
  FIELD_SAME_NAME: `put the name back, since it is in every stored row; if it has become a lie, ${newField}`,
  FIELD_SAME_JSON_NAME: `put the JSON name back, since it is in every stored row; if it has become a lie, ${newField}`,
  FIELD_SAME_TYPE: `put the type back; ${newField}`,
  FIELD_SAME_CARDINALITY: `put it back; ${newField}`,
  FIELD_SAME_ONEOF: `put it back; ${newField}`,
  FIELD_SAME_DEFAULT: `put the default back; ${newField}`,
  MESSAGE_SAME_REQUIRED_FIELDS:
    "a required field breaks what was written without it: let the code that writes refuse instead",
  ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED: reserveValue,
  ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED: reserveValue,
  ENUM_VALUE_SAME_NAME:
    "put the name back, since it is in every stored row, and add a new value with a new number",
  ENUM_SAME_TYPE: "put it back: a closed enum loses the values it does not know",
  RESERVED_ENUM_NO_DELETE: keepReserved,
  RESERVED_MESSAGE_NO_DELETE: keepReserved,
  PACKAGE_MESSAGE_NO_DELETE: keepDeclaration,
  PACKAGE_ENUM_NO_DELETE: keepDeclaration,
  PACKAGE_EXTENSION_NO_DELETE: keepDeclaration,
  PACKAGE_NO_DELETE: keepDeclaration,
  PACKAGE_SERVICE_NO_DELETE:
    "leave the service in its proto, mark it deprecated and let it answer for as long as clients call it",
  FILE_SAME_PACKAGE: "put the package back: it is part of the name of everything in the file",
  RPC_NO_DELETE:
    "leave the method in its proto, mark it deprecated and let it answer for as long as clients call it",
  RPC_SAME_REQUEST_TYPE: newMethod,
  RPC_SAME_RESPONSE_TYPE: newMethod,
  RPC_SAME_CLIENT_STREAMING: newMethod,
  RPC_SAME_SERVER_STREAMING: newMethod,
  RPC_SAME_IDEMPOTENCY_LEVEL: `put the level back, since callers retry and gateways route by it; or ${newMethod}`,
  ENUM_SAME_JSON_FORMAT: keepEncoding,
  MESSAGE_SAME_JSON_FORMAT: keepEncoding,
};

/** What to do instead of breaking a rule; for a rule that is not known here, where to read about it. */
export function fixOf(rule: string): string {
  const fixes: Readonly<Record<string, string | undefined>> = { ...bufFixes, ...ownFixes };
  return fixes[rule] ?? "leave what was released as it is and add beside it (migrations-banned.md, Recipes)";
}

/** Where to read about a rule of style. */
export const lintFix = "change it as the rule says: https://buf.build/docs/lint/rules";
