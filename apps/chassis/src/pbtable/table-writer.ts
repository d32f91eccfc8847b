import {
  clone,
  create,
  type DescMessage,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { encodeJson } from "../schema/json.ts";
import { mergeChange } from "./merge-change.ts";
import { keyOf, keyValues, type TableKey } from "./table-key.ts";
import { TableReader } from "./table-reader.ts";
import { statementsOf } from "./table-statements.ts";
import { sqlStateOf, translateDatabaseError } from "./translate-error.ts";

/** Reads and writes of one pbtable inside a transaction. */
export class TableWriter<D extends DescMessage> extends TableReader<D> {
  /**
   * Stores a new row at version 1.
   *
   * @throws QuartetError `already_exists` when the key is taken.
   */
  async insert(init: MessageInitShape<D>): Promise<MessageShape<D>> {
    const message = this.create(init);
    try {
      await this.change(statementsOf(this.table).insert, [this.encodeText(message)]);
    } catch (error) {
      if (sqlStateOf(error) !== "23505") throw error;
      throw new QuartetError("already_exists", `${this.describe(message)} exists already.`, { cause: error });
    }
    return message;
  }

  /** Stores a new row unless the key is taken. Returns whether it did. */
  async insertIfAbsent(init: MessageInitShape<D>): Promise<boolean> {
    const message = this.create(init);
    return (await this.change(statementsOf(this.table).insertIfAbsent, [this.encodeText(message)])) === 1;
  }

  /** Reads a row and locks it until the transaction ends. */
  async getForUpdate(key: TableKey): Promise<MessageShape<D> | undefined> {
    const [row] = await this.run(statementsOf(this.table).getForUpdate, keyValues(this.table, key));
    return row === undefined ? undefined : this.decodeText(row.pb);
  }

  /**
   * Locks the row, lets `edit` change a draft of it, and stores what changed, raising the version by one. What this
   * build does not know of the row stays as it is.
   *
   * @throws QuartetError `not_found` when there is no such row, `invalid_argument` when the key was edited.
   */
  async update(
    key: TableKey,
    edit: (draft: MessageShape<D>) => void | Promise<void>,
  ): Promise<MessageShape<D>> {
    const values = keyValues(this.table, key);
    const [row] = await this.run(statementsOf(this.table).getForUpdate, values);
    if (row === undefined) {
      throw new QuartetError("not_found", `There is no ${this.table.message.name} ${formatKey(values)}.`);
    }
    const stored = JSON.parse(row.pb) as JsonValue;
    const before = this.decode(stored);
    const draft = clone(this.message, before);
    await edit(draft);
    if (formatKey([...keyOf(this.table, draft)]) !== formatKey([...keyOf(this.table, before)])) {
      throw new QuartetError("invalid_argument", `The key of ${this.describe(before)} cannot be changed.`);
    }
    const merged = mergeChange(stored, this.encode(before), this.encode(draft));
    await this.change(statementsOf(this.table).replace, [...values, JSON.stringify(merged)]);
    return draft;
  }

  /** Deletes a row. Returns whether it was there. */
  async delete(key: TableKey): Promise<boolean> {
    return (await this.change(statementsOf(this.table).remove, keyValues(this.table, key))) === 1;
  }

  private get message(): D {
    // A writer is only ever made for the descriptor that its table was read from.
    return this.table.message as D;
  }

  private create(init: MessageInitShape<D>): MessageShape<D> {
    return create(this.message, init);
  }

  private encode(message: MessageShape<D>): JsonValue {
    return encodeJson(this.message, message, this.registry);
  }

  private encodeText(message: MessageShape<D>): string {
    return JSON.stringify(this.encode(message));
  }

  private describe(message: MessageShape<D>): string {
    return `${this.table.message.name} ${formatKey([...keyOf(this.table, message)])}`;
  }

  private async change(statement: { name: string; text: string }, values: unknown[]): Promise<number> {
    try {
      return (await this.client.query({ ...statement, values })).rowCount ?? 0;
    } catch (error) {
      throw translateDatabaseError(error);
    }
  }
}

function formatKey(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(String(value))).join(", ");
}
