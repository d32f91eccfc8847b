import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase, testPassword } from "../../cluster/postgres/test-database.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { tableOf } from "../../schema/table/table.ts";
import { type LooseMessage, make } from "../../schema/test-schema.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { TableReader } from "../table-reader.ts";
import { TableWriter } from "../table-writer.ts";
import { TableHistory } from "./table-history.ts";
import { createKeptTables, keptRegistry, NoteSchema, PlainSchema, SeatSchema } from "./test-history.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, [NoteSchema, SeatSchema]);
});
afterEach(async () => {
  await database.query("delete from kept.notes");
  await database.query("delete from kept.notes_history");
  await database.query("delete from quartet.history_horizon");
});
afterAll(() => database[Symbol.asyncDispose]());

const history = () => new TableHistory(tableOf(NoteSchema), database.pool, keptRegistry);
const write = <T>(work: (notes: TableWriter<typeof NoteSchema>) => Promise<T>): Promise<T> =>
  runTransaction(database.pool, (client) =>
    work(new TableWriter<typeof NoteSchema>(tableOf(NoteSchema), client, keptRegistry)),
  );

async function textAsOf(id: string, time: Date | Timestamp): Promise<unknown> {
  return ((await history().asOf(id, time)) as LooseMessage | undefined)?.["text"];
}

async function now(): Promise<Timestamp> {
  const [row] = await database.query<{ seconds: bigint; micros: number }>(
    `select floor(extract(epoch from t))::bigint as seconds, extract(microseconds from t)::int % 1000000 as micros
from clock_timestamp() as t`,
  );
  const { seconds = 0n, micros = 0 } = row ?? {};
  return { $typeName: "google.protobuf.Timestamp", seconds, nanos: micros * 1_000 };
}

/** Makes a note, changes it twice, deletes it and makes it again; gives the time after each step, newest last. */
async function liveTwice(id: string): Promise<readonly Timestamp[]> {
  const times = [await now()];
  const step = async (work: (notes: TableWriter<typeof NoteSchema>) => Promise<unknown>) => {
    await write(work);
    times.push(await now());
  };
  const setText = (text: string) => (draft: unknown) => void Object.assign(draft as object, { text });
  await step((notes) => notes.insert({ id, text: "one" }));
  await step((notes) => notes.update(id, setText("two")));
  await step((notes) => notes.update(id, setText("three")));
  await step((notes) => notes.delete(id));
  await step((notes) => notes.insert({ id, text: "again" }));
  return times;
}

describe("changesOf", () => {
  test("gives the newest first, page by page", async () => {
    await liveTwice("a");
    const all = await history().changesOf("a");
    expect(all.map(({ operation, version }) => `${operation} ${version}`)).toEqual([
      "insert 1",
      "delete 3",
      "update 3",
      "update 2",
      "insert 1",
    ]);
    const first = await history().changesOf("a", { limit: 2 });
    const before = first.at(-1)?.place ?? 0n;
    const second = await history().changesOf("a", { limit: 2, before });
    expect([...first, ...second]).toEqual(all.slice(0, 4));
  });

  test("tells a change as it is, and its time to the microsecond", async () => {
    const before = await now();
    await write((notes) => notes.insert({ id: "b", text: "x" }));
    const [change] = await history().changesOf("b");
    expect(change).toMatchObject({ login: "postgres", principal: undefined, undo: undefined });
    expect(change?.patch?.set).toMatchObject({ id: "b", text: "x", count: "0" });
    const micros = ({ seconds, nanos }: Timestamp) => seconds * 1_000_000n + BigInt(nanos) / 1_000n;
    const changed = change === undefined ? 0n : micros(change.changeTime);
    expect(changed > micros(before) && changed < micros(await now())).toBe(true);
  });
});

describe("asOf", () => {
  test("a row that was made, changed, deleted and made again is what it was", async () => {
    const times = await liveTwice("c");
    const texts = await Promise.all(times.map((time) => textAsOf("c", time)));
    expect(texts).toEqual([undefined, "one", "two", "three", undefined, "again"]);
  });

  test("a change's own time is right after it, and its millisecond may be before", async () => {
    await write((notes) => notes.insert({ id: "d", text: "x" }));
    const [change] = await history().changesOf("d");
    if (change === undefined) throw new Error("no change");
    expect(await textAsOf("d", change.changeTime)).toBe("x");
    const { nanos } = change.changeTime;
    const { seconds } = change.changeTime;
    const millisecond = new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000));
    expect(await textAsOf("d", millisecond)).toBe(nanos % 1_000_000 === 0 ? "x" : undefined);
  });

  test("before the history began is the row as the history found it", async () => {
    await database.query("alter table kept.notes disable trigger quartet_history");
    await write((notes) => notes.insert({ id: "e", text: "old" }));
    await database.query("alter table kept.notes enable trigger quartet_history");
    await database.query(`update kept.notes set version = 5, pb = pb || '{"text": "new"}' where id = 'e'`);
    expect(await textAsOf("e", new Date("2020-01-01T00:00:00Z"))).toBe("old");
    const [row] = await database.query("select version::int from kept.notes_as_of('2020-01-01')");
    expect(row).toEqual({ version: 1 });
  });

  test("before what prune left is refused, in TypeScript and in SQL, and names the boundary", async () => {
    await database.query("insert into quartet.history_horizon values ('kept.notes', '2026-02-01T00:00:00Z')");
    const early = new Date("2026-01-31T23:59:59.999Z");
    const said =
      "2026-01-31T23:59:59.999000Z is out of range: the history of kept.notes is kept since 2026-02-01";
    const refusal = { code: "invalid_argument", field: "time", message: expect.stringContaining(said) };
    await expect(history().asOf("x", early)).rejects.toMatchObject(refusal);
    await expect(history().listAsOf(early)).rejects.toMatchObject(refusal);
    await expect(database.query("select * from kept.notes_as_of($1)", [early])).rejects.toThrow(
      "the history of kept.notes is kept since 2026-02-01",
    );
    expect(await history().asOf("x", new Date("2026-02-01T00:00:00Z"))).toBeUndefined();
  });

  test("of a table without history is refused with what mends it", () => {
    expect(() => new TableHistory(tableOf(PlainSchema), database.pool, keptRegistry)).toThrow(QuartetError);
  });
});

describe("listAsOf", () => {
  async function pagesAsOf<D extends typeof SeatSchema>(
    of: TableHistory<D>,
    time: Timestamp,
    pageSize: number,
  ) {
    const pages: LooseMessage[][] = [];
    let pageToken = "";
    do {
      const page = await of.listAsOf(time, { pageSize, pageToken });
      pages.push([...page.messages] as LooseMessage[]);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return pages;
  }

  test("pages through composite keys in their order, whatever came and went since", async () => {
    await database.query(
      `insert into kept.seats (pb) select jsonb_build_object('login', l, 'place', p::text, 'vip', v, 'takenBy', l || p)
from unnest(array['ann', 'bob']) l, unnest(array[2, 10, 18446744073709551615]) p, unnest(array[true, false]) v`,
    );
    const time = await now();
    await database.query("delete from kept.seats where login = 'ann' or place = 10");
    await database.query(`insert into kept.seats (pb) values ('{"login": "aaa", "place": "1"}')`);
    await database.query(`update kept.seats set version = 2, pb = pb || '{"takenBy": "?"}'`);
    const seats = new TableHistory(tableOf(SeatSchema), database.pool, keptRegistry);
    const pages = await pagesAsOf(seats, time, 5);
    expect(pages.flat().map((seat) => [seat["login"], seat["place"], seat["vip"], seat["takenBy"]])).toEqual(
      ["ann", "bob"].flatMap((login) =>
        [2n, 10n, 18446744073709551615n].flatMap((place) =>
          [false, true].map((vip) => [login, place, vip, `${login}${place}`]),
        ),
      ),
    );
    expect(pages.length).toBeGreaterThan(2);
  });

  test("in SQL and in TypeScript needs no right but to select, and no transaction that may write", async () => {
    await database.query(`create role reader login password '${testPassword.replaceAll("'", "''")}'`);
    await database.query("grant usage on schema kept, quartet to reader");
    await database.query("grant select on kept.notes, kept.notes_history, quartet.history_horizon to reader");
    const [, , time] = await liveTwice("r");
    if (time === undefined) throw new Error("no time");
    const pool = database.openPool("reader", { readOnly: true });
    const notes = new TableReader<typeof NoteSchema>(tableOf(NoteSchema), pool, keptRegistry).history();
    expect(await notes.asOf("r", time)).toMatchObject({ text: "two" });
    expect((await notes.listAsOf(time)).messages).toMatchObject([{ id: "r", text: "two" }]);
    const found = await pool.query(
      "select id, version::int from kept.notes_as_of(now() - interval '1 hour')",
    );
    expect(found.rows).toEqual([]);
  });

  test("refuses a token that is none", async () => {
    await expect(history().listAsOf(new Date(), { pageToken: "?" })).rejects.toMatchObject({
      code: "invalid_argument",
      field: "page_token",
    });
  });
});

/** One step of a random story: what is done to which note, with which text, and by which means. */
interface Action {
  readonly kind: "insert" | "update" | "delete" | "move";
  readonly id: string;
  readonly text: string;
  readonly by: "chassis" | "sql";
}

const action = fc.record<Action>({
  kind: fc.constantFrom("insert", "update", "delete", "move"),
  id: fc.constantFrom("a", "b", "c"),
  text: fc.string({ maxLength: 4 }).map((text) => text.replaceAll("\0", "")),
  by: fc.constantFrom("chassis", "sql"),
});

const neighbour: Readonly<Record<string, string>> = { a: "b", b: "c", c: "a" };

/** Does a step where it can be done, in the database and in the model alike. */
async function perform({ kind, id, text, by }: Action, model: Map<string, string>): Promise<void> {
  const target = neighbour[id] ?? "";
  const known = model.get(id);
  if (kind === "insert" ? known !== undefined : known === undefined) return;
  if (kind === "move") {
    if (model.has(target)) return;
    await database.query(
      "update kept.notes set version = version + 1, pb = pb || jsonb_build_object('id', $2::text) where id = $1",
      [id, target],
    );
    model.set(target, known ?? "");
    model.delete(id);
  } else if (kind === "delete") {
    if (by === "chassis") await write((notes) => notes.delete(id));
    else await database.query("delete from kept.notes where id = $1", [id]);
    model.delete(id);
  } else if (kind === "insert") {
    if (by === "chassis") await write((notes) => notes.insert({ id, text }));
    else await database.query("insert into kept.notes (pb) values ($1)", [JSON.stringify({ id, text })]);
    model.set(id, text);
  } else {
    const edit = (draft: unknown) => void Object.assign(draft as object, { text });
    if (by === "chassis") await write((notes) => notes.update(id, edit));
    else {
      // As a build from tomorrow may do it: the key goes where it has the default, and one nobody knows comes.
      const later =
        text === "" ? "pb - 'text'" : "pb || jsonb_build_object('text', $2::text, $2::text, null)";
      await database.query(
        `update kept.notes set version = version + 1, pb = ${later} where id = $1 and $2::text is not null`,
        [id, text],
      );
    }
    model.set(id, text);
  }
}

const texts = (messages: readonly unknown[]) =>
  new Map((messages as LooseMessage[]).map((note) => [String(note["id"]), String(note["text"])]));

test("any story of a table can be read as of any of its moments, by key, by page and in SQL", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
      await database.query("delete from kept.notes");
      const model = new Map<string, string>();
      const moments = [{ time: await now(), notes: new Map<string, string>() }];
      for (const one of actions) {
        await perform(one, model);
        moments.push({ time: await now(), notes: new Map(model) });
      }
      for (const { time, notes } of moments) {
        expect(texts((await history().listAsOf(time)).messages)).toEqual(notes);
        for (const id of ["a", "b", "c"]) expect(await textAsOf(id, time)).toBe(notes.get(id));
        const rows = await database.query<{ id: string; text: string; version: bigint }>(
          "select id, coalesce(pb ->> 'text', '') as text, version from kept.notes_as_of($1::timestamptz)",
          [
            new Date(Number(time.seconds) * 1_000)
              .toISOString()
              .slice(0, 19)
              .concat(`.${String(time.nanos / 1_000).padStart(6, "0")}Z`),
          ],
        );
        expect(texts(rows)).toEqual(notes);
      }
    }),
    { numRuns: 60 },
  );
}, 120_000);

test("changes of many writers at once make each row's story whole: forwards and backwards are the same", async () => {
  const ids = ["a", "b", "c"];
  const writer = async (number: number) => {
    for (let step = 0; step < 25; step++) {
      const id = ids[(number + step) % ids.length] ?? "";
      await write(async (notes) => {
        if (!(await notes.insertIfAbsent({ id, text: `${number}` }))) {
          const found = await notes.getForUpdate(id);
          if (found === undefined) return;
          if ((number + step) % 5 === 0) await notes.delete(id);
          else await notes.update(id, (draft) => void Object.assign(draft, { text: `${number}-${step}` }));
        }
      });
    }
  };
  await Promise.all([1, 2, 3, 4].map(writer));
  for (const id of ids) {
    const changes = [...(await history().changesOf(id, { limit: 1_000 }))].reverse();
    let pb: Record<string, unknown> | undefined;
    let last = 0n;
    for (const { patch, changeTime } of changes) {
      const micros = changeTime.seconds * 1_000_000n + BigInt(changeTime.nanos / 1_000);
      expect(micros > last).toBe(true);
      last = micros;
      const kept = Object.entries(pb ?? {}).filter(([key]) => !patch?.unset.includes(key));
      pb = patch === undefined ? undefined : { ...Object.fromEntries(kept), ...patch.set };
      expect(await textAsOf(id, changeTime)).toBe(pb?.["text"]);
    }
    expect(changes.length).toBeGreaterThan(10);
  }
});

test("a message that has it all comes back from the past as it was", async () => {
  const init = {
    id: "all",
    text: "née 漢 🎻",
    count: -(2n ** 63n),
    maybe: "",
    tags: ["a", ""],
    extra: { n: null },
  };
  await write((notes) => notes.insert(init));
  const time = await now();
  await write((notes) =>
    notes.update("all", (draft) => void Object.assign(draft, { extra: undefined, count: 1n, tags: [] })),
  );
  expect(await history().asOf("all", time)).toEqual(make(NoteSchema, init));
});

test.each([
  ["before year 1", { seconds: -62_135_596_801n, nanos: 0 }],
  ["after year 9999", { seconds: 253_402_300_800n, nanos: 0 }],
  ["beyond Date", { seconds: 2n ** 62n, nanos: 0 }],
])("a time %s is invalid_argument", async (_, time) => {
  const past = history().asOf("a", create(TimestampSchema, time));
  await expect(past).rejects.toMatchObject({ code: "invalid_argument", field: "time" });
});

test("an invalid Date is invalid_argument", async () => {
  await expect(history().listAsOf(new Date("x"))).rejects.toMatchObject({
    code: "invalid_argument",
    field: "time",
  });
});
