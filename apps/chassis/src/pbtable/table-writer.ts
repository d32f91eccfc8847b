import {
  clone,
  create,
  type DescMessage,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { DatabaseError } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { encodeJson } from "../schema/json.ts";
import { mergeChange } from "./merge-change.ts";
import { keyOf, keyValues, type TableKey } from "./table-key.ts";
import { TableReader } from "./table-reader.ts";
import { type NamedText, statementsOf } from "./table-statements.ts";
import { translateDatabaseError } from "./translate-error.ts";

/** SQLSTATE unique_violation. */
const uniqueViolation = "23505";

/** Reads and writes of one pbtable inside a transaction. */
export class TableWriter<D extends DescMessage> extends TableReader<D> {
  /**
   * Stores a new row at version 1.
   *
   * @throws QuartetError `already_exists` when the key, or a value that an index keeps unique, is taken.
   */
  async insert(init: MessageInitShape<D>): Promise<MessageShape<D>> {
    const message = this.create(init);
    await this.change(statementsOf(this.table).insert, [this.encodeText(message)], message);
    return message;
  }

  /**
   * Stores a new row unless the key is taken. Returns whether it did.
   *
   * @throws QuartetError `already_exists` when the key is free but a value that an index keeps unique is taken.
   */
  async insertIfAbsent(init: MessageInitShape<D>): Promise<boolean> {
    const message = this.create(init);
    const statement = statementsOf(this.table).insertIfAbsent;
    return (await this.change(statement, [this.encodeText(message)], message)) === 1;
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
   * @throws QuartetError `not_found` when there is no such row, `invalid_argument` when the key was edited,
   * `already_exists` when the change takes a value that an index keeps unique.
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
    await this.change(statementsOf(this.table).replace, [...values, JSON.stringify(merged)], draft);
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

  private async change(statement: NamedText, values: unknown[], changed?: MessageShape<D>): Promise<number> {
    try {
      return (await this.client.query({ ...statement, values })).rowCount ?? 0;
    } catch (error) {
      throw changed === undefined ? translateDatabaseError(error) : this.translate(error, changed);
    }
  }

  private translate(error: unknown, changed: MessageShape<D>): unknown {
    if (!(error instanceof DatabaseError) || error.code !== uniqueViolation)
      return translateDatabaseError(error);
    const index = this.table.indexes.find((candidate) => candidate.name === error.constraint);
    if (index === undefined) {
      return new QuartetError("already_exists", `${this.describe(changed)} exists already.`, {
        cause: error,
      });
    }
    const names = index.parts.map(({ column }) => column.name).join(", ");
    return new QuartetError("already_exists", `Another ${this.table.message.name} has the same ${names}.`, {
      cause: error,
    });
  }
}

function formatKey(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(String(value))).join(", ");
}
