import {
  create,
  type DescMessage,
  type JsonValue,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";
import type { Statement } from "../sql/sql-client.ts";
import { draftRow } from "./merge/row-draft.ts";
import { noteVersion } from "./message-version.ts";
import {
  applyChanges,
  changesJson,
  isBlind,
  type ReadChanges,
  type RowChanges,
  readChanges,
} from "./row-changes.ts";
import { chunkRows } from "./row-chunks.ts";
import { formatKey, keyOf, keyValues, type TableKey } from "./table-key.ts";
import { type StoredRow, TableReader } from "./table-reader.ts";
import { type NamedText, statementsOf } from "./table-statements.ts";
import { findColliding, translateWriteError } from "./write-error.ts";

/** What a row must be like for a change to happen. */
export interface Expected {
  /** The version that the row must still have. Left away or undefined: any. */
  readonly version?: bigint | undefined;
}

/** How often an upsert begins again when the row that was in its way is gone before it could be locked. */
const maxUpserts = 10;

/**
 * Reads and writes of one pbtable inside a transaction. Every method that stores a message throws `invalid_argument`,
 * with the path as field, for text that holds U+0000 or halves of surrogate pairs.
 */
export class TableWriter<D extends DescMessage> extends TableReader<D> {
  /**
   * Stores a new row at version 1. What the row will be is known, so in a write the statement goes with the next one, or
   * with COMMIT: that is then what fails when the row cannot be stored. Not so once a savepoint was set.
   *
   * @throws QuartetError `already_exists` when the key, or a value that an index keeps unique, is taken.
   */
  async insert(init: MessageInitShape<D>): Promise<MessageShape<D>> {
    const message = create(this.message, init);
    const statement = { ...statementsOf(this.table).insert, values: [this.print(message)] };
    const explain = (error: unknown) => translateWriteError(error, this.table, this.describe(message));
    const { client } = this;
    if (client.defer !== undefined && !client.hasSavepoint) client.defer({ ...statement, explain });
    else await client.query(statement).catch((error: unknown) => Promise.reject(explain(error)));
    return noteVersion(message, 1n);
  }

  /**
   * Stores new rows at version 1: all of them, or none. One statement for each thousand rows or megabyte.
   *
   * @throws QuartetError `already_exists` when a key, or a value that an index keeps unique, is taken, by a row of the
   * table or of `inits`; it names the first such row, and its index as field (`[3]`), when Postgres tells which it was.
   */
  async insertMany(inits: readonly MessageInitShape<D>[]): Promise<MessageShape<D>[]> {
    const messages = inits.map((init) => create(this.message, init));
    const texts = messages.map((message) => this.print(message));
    for (const { first, rows } of chunkRows(texts)) {
      try {
        await this.client.query({ ...statementsOf(this.table).insertMany, values: [`[${rows.join(",")}]`] });
      } catch (error) {
        throw this.translateMany(error, messages.slice(first, first + rows.length), first);
      }
    }
    return messages.map((message) => noteVersion(message, 1n));
  }

  /**
   * Stores a new row unless the key is taken. Returns whether it did.
   *
   * @throws QuartetError `already_exists` when the key is free but a value that an index keeps unique is taken.
   */
  async insertIfAbsent(init: MessageInitShape<D>): Promise<boolean> {
    const message = create(this.message, init);
    const statement = statementsOf(this.table).insertIfAbsent;
    const { rowCount } = await this.change(statement, [this.print(message)], () => this.describe(message));
    if (rowCount !== 1) return false;
    noteVersion(message, 1n);
    return true;
  }

  /**
   * Stores a row whether or not its key is taken. Of a row that is there, every field that this build knows becomes
   * what `init` says, absent ones are cleared; what this build does not know of it stays. Several at once for one key
   * follow one another.
   *
   * @throws QuartetError `already_exists` when a value that an index keeps unique is another row's, `aborted` when others
   * keep deleting the row.
   */
  async upsert(init: MessageInitShape<D>): Promise<MessageShape<D>> {
    const message = create(this.message, init);
    const values = keyValues(this.table, keyOf(this.table, message));
    for (let attempt = 1; attempt <= maxUpserts; attempt++) {
      if (await this.insertIfAbsent(message)) return message;
      const row = await this.lock(values);
      if (row === undefined) continue;
      const version = await this.store(values, row, (draft) => replaceContent(draft, message));
      return noteVersion(message, version);
    }
    throw new QuartetError("aborted", `${this.describe(message)} is inserted and deleted all the time.`);
  }

  /** Reads a row and locks it until the transaction ends. */
  async getForUpdate(key: TableKey): Promise<MessageShape<D> | undefined> {
    const row = await this.lock(keyValues(this.table, key));
    return row === undefined ? undefined : this.decodeRow(row);
  }

  /**
   * Locks the row, lets `edit` change a draft of it, and stores what changed, raising the version by one. What this
   * build does not know of the row stays as it is. An edit that changes nothing writes nothing: the version stays.
   *
   * @throws QuartetError `not_found` when there is no such row, `version_mismatch` when it has another
   * version than expected, `invalid_argument` when the key was edited, `already_exists` when the change takes a value
   * that an index keeps unique, `aborted` when the transaction itself changed the row between its being read and stored.
   */
  async update(
    key: TableKey,
    edit: (draft: MessageShape<D>) => void | Promise<void>,
    expected: Expected = {},
  ): Promise<MessageShape<D>> {
    const { message, version } = await this.edit(key, edit, expected);
    return noteVersion(message, version);
  }

  /**
   * Stores new values of some fields, as an `update` that sets them would. Fields whose values hold nothing that this
   * build cannot know (all but messages, and lists and maps of messages or enums) are changed by one statement that
   * reads nothing and sends nothing back.
   *
   * @returns the version the row has then
   * @throws QuartetError as `update`; `invalid_argument` naming a field that is unknown, of the key, or cannot be cleared.
   */
  async patch(key: TableKey, changes: RowChanges<D>, expected: Expected = {}): Promise<bigint> {
    const values = keyValues(this.table, key);
    const read = readChanges(this.table, changes as Readonly<Record<string, unknown>>);
    const patched = isBlind(read) ? await this.patchBlindly(values, read, expected) : undefined;
    // No row, none of that version, or nothing to change: what is under the lock tells.
    if (patched !== undefined) return patched;
    const { version } = await this.edit(key, (draft) => applyChanges(draft, read), expected);
    return version;
  }

  /**
   * Deletes a row. Returns whether it was there.
   *
   * @throws QuartetError `version_mismatch` when the row has another version than expected.
   */
  async delete(key: TableKey, expected: Expected = {}): Promise<boolean> {
    const values = keyValues(this.table, key);
    const { remove, removeVersion } = statementsOf(this.table);
    const { version } = expected;
    const deleted =
      version === undefined
        ? await this.query({ ...remove, values })
        : await this.query({ ...removeVersion, values: [...values, version.toString()] });
    if (deleted.rowCount === 1 || version === undefined) return deleted.rowCount === 1;
    const row = await this.lock(values);
    if (row === undefined) return false;
    this.requireVersion(values, row, expected);
    // It came to have that version between the two statements.
    return this.delete(key, expected);
  }

  /** The statement of {@link getForUpdate}, for who sends it with others; `decodeRow` reads its row. */
  protected lockStatement(values: unknown[]): Statement {
    return { ...statementsOf(this.table).getForUpdate, values };
  }

  private async lock(values: unknown[]): Promise<StoredRow | undefined> {
    const statement = this.lockStatement(values);
    const [row] = await this.run<StoredRow>(statement);
    if (row !== undefined) return row;
    // It may have waited for a transaction that put another row in the place of the one it saw: look again.
    const [other] = await this.run<StoredRow>(statement);
    return other;
  }

  private async edit(
    key: TableKey,
    edit: (draft: MessageShape<D>) => void | Promise<void>,
    expected: Expected,
  ): Promise<{ readonly message: MessageShape<D>; readonly version: bigint }> {
    const values = keyValues(this.table, key);
    const row = await this.lock(values);
    if (row === undefined) throw this.notFound(values);
    this.requireVersion(values, row, expected);
    let edited: MessageShape<D> | undefined;
    const version = await this.store(values, row, async (draft) => {
      edited = draft;
      await edit(draft);
    });
    // `store` has called back, or thrown.
    return { message: edited as MessageShape<D>, version };
  }

  /** Stores what `edit` makes of a locked row. Returns the version the row has then. */
  private async store(
    values: unknown[],
    row: StoredRow,
    edit: (draft: MessageShape<D>) => void | Promise<void>,
  ): Promise<bigint> {
    const stored: JsonValue = JSON.parse(row.pb);
    const { before, draft, merge } = draftRow(this.message, stored, this.registry);
    await edit(draft);
    if (formatKey(keyOf(this.table, draft)) !== formatKey(keyOf(this.table, before))) {
      throw new QuartetError("invalid_argument", `The key of ${this.describe(before)} cannot be changed.`);
    }
    const merged = merge();
    if (merged === stored) return BigInt(row.version);
    const { replace } = statementsOf(this.table);
    const bound = [...values, printStorable(merged), row.version.toString()];
    const changed = await this.change<{ version: bigint }>(replace, bound, () => this.describe(before));
    const [next] = changed.rows;
    if (next === undefined) throw this.changedMeanwhile(values);
    return BigInt(next.version);
  }

  private async patchBlindly(
    values: unknown[],
    read: ReadChanges,
    { version }: Expected,
  ): Promise<bigint | undefined> {
    const { remove, put } = changesJson(this.table, read, this.registry);
    const { patch, patchVersion } = statementsOf(this.table);
    const bound = [...values, remove, printStorable(put)];
    const { rows } = await this.change<{ version: bigint }>(
      version === undefined ? patch : patchVersion,
      version === undefined ? bound : [...bound, version.toString()],
      () => this.name(values),
    );
    const [row] = rows;
    return row && BigInt(row.version);
  }

  private requireVersion(values: unknown[], row: StoredRow, { version }: Expected): void {
    if (version === undefined || BigInt(row.version) === version) return;
    throw new QuartetError(
      "version_mismatch",
      `${this.name(values)} is at version ${row.version}, not ${version}.`,
      {
        field: "version",
        fix: "Read it again, and decide anew.",
      },
    );
  }

  private print(message: MessageShape<D>): string {
    return printStorable(encodeJson(this.message, message, this.registry));
  }

  /** The lock keeps all others away, so it was this very transaction. */
  private changedMeanwhile(values: unknown[]): QuartetError {
    return new QuartetError("aborted", `${this.name(values)} was changed while an update of it ran.`, {
      fix: "Change a row by one update after the other, each awaited, and not from inside its own edit.",
    });
  }

  private notFound(values: unknown[]): QuartetError {
    return new QuartetError("not_found", `There is no ${this.name(values)}.`);
  }

  private describe(message: MessageShape<D>): string {
    return this.name(keyOf(this.table, message));
  }

  private name(key: readonly unknown[]): string {
    return `${this.table.message.name} ${formatKey(key)}`;
  }

  private async change<Row extends object = object>(
    statement: NamedText,
    values: unknown[],
    describe: () => string,
  ) {
    try {
      return await this.client.query<Row & Record<string, unknown>>({ ...statement, values });
    } catch (error) {
      throw translateWriteError(error, this.table, describe());
    }
  }

  private translateMany(error: unknown, messages: readonly MessageShape<D>[], first: number): unknown {
    const rows = messages.map((message) => encodeJson(this.message, message, this.registry));
    const index = findColliding(error, this.table, rows);
    const message = messages[index ?? -1];
    if (index === undefined || message === undefined) {
      return translateWriteError(error, this.table, `One of ${rows.length} rows of ${this.table.name}`);
    }
    return translateWriteError(error, this.table, this.describe(message), `[${first + index}]`);
  }
}

/** Makes one message what another is. */
function replaceContent(draft: Message, message: Message): void {
  for (const name of Object.keys(draft)) {
    if (!Object.hasOwn(message, name)) Reflect.deleteProperty(draft, name);
  }
  Object.assign(draft, message);
}
