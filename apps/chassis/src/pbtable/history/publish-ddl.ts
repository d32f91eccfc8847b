import { quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";
import type { DdlObject } from "../ddl-object.ts";
import { changeTriggerObjects } from "./change-trigger.ts";

/**
 * What publishes every change of a row as an event, in the transaction of the change, whoever makes it: see
 * `quartet.v1.RowChange`. The event's key is the row's, so the events of a row are delivered in the order of its changes.
 *
 * An event carries the row twice. CloudEvents advises at most 64 KiB; nothing here cuts a larger one. Pushes to a domain
 * take 8 MiB, so a change of a row beyond some 4 MiB becomes a dead letter there.
 *
 * Needs the outbox and `changeFunctions()`. Empty for a table that does not publish.
 */
export function publishObjects(table: Table): readonly DdlObject[] {
  if (!table.publish) return [];
  const rows = {
    insert: { key: "new", values: "null, new.pb, new.version" },
    update: { key: "new", values: "old.pb, new.pb, new.version" },
    delete: { key: "old", values: "old.pb, null, old.version" },
  };
  const names = `${quoteLiteral(table.name)}, ${quoteLiteral(table.message.typeName)}`;
  return changeTriggerObjects(table, {
    name: "publish",
    done: "published",
    statementOf: (change) => {
      const { key, values } = rows[change];
      return `perform quartet.publish_change(${names}, ${eventKeySql(table, key)}, ${values})`;
    },
  });
}

/** The key's text; of a composite one the values' texts joined by `/`, with `%` and `/` inside them escaped. */
function eventKeySql(table: Table, row: string): string {
  const texts = table.key.map(({ name }) => `${row}.${quoteIdentifier(name)}::text`);
  if (texts.length === 1) return texts.join();
  return texts.map((text) => `replace(replace(${text}, '%', '%25'), '/', '%2F')`).join(" || '/' || ");
}
