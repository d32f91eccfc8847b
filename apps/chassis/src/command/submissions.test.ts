import { setImmediate } from "node:timers/promises";
import type { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { createLoginSql } from "../apply/roles-ddl.ts";
import { openTestDatabase, type TestDatabase, testPassword } from "../cluster/postgres/test-database.ts";
import { createEventId } from "../outbox/event-id.ts";
import { testRegistry } from "../schema/test-schema.ts";
import { defineDomain } from "../service/domain.ts";
import { type Submission, Submissions } from "./submissions.ts";

const domain = defineDomain({ name: "submitting", schema: testRegistry, services: [], writes: [] });

let database: TestDatabase;
let pool: Pool;
let submissions: Submissions;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await database.query(createLoginSql("some_micro", testPassword, "quartet_micro"));
});
afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async () => {
  await database.query("truncate quartet.outbox, quartet.inbox");
  pool = database.openPool("some_micro");
  submissions = new Submissions(pool);
});

function submission(key: string, more: Partial<Submission> & { readonly payload?: string } = {}): Submission {
  const { payload = `{"key": "${key}"}`, ...rest } = more;
  const id = createEventId();
  const none = { causationId: undefined, correlationId: undefined, traceparent: undefined };
  const event = { id, aggregateType: "operation", aggregateId: key, type: "test.Accepted", payload, ...none };
  return { operationId: key, fingerprint: "f", event, deadlineMs: Date.now() + 60_000, ...rest };
}

async function published() {
  return database.query<{ key: string; xmin: string }>(
    "select aggregateid as key, xmin::text from quartet.outbox order by place",
  );
}
const keysOf = async () => (await published()).map(({ key }) => key).sort();

describe("submissions", () => {
  test("that come at the same time go together, and each is published once", async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
    const firsts = await Promise.all(keys.map((key) => submissions.submit(submission(key))));
    expect(new Set(firsts)).toEqual(new Set([true]));
    const found = await published();
    expect(found.map(({ key }) => key).sort()).toEqual(keys.sort());
    expect(new Set(found.map(({ xmin }) => xmin)).size).toBeLessThan(20);
  });

  test("tell a repeat, and another request, from the first, and spoil nothing for those beside them", async () => {
    await Promise.all(["a", "b"].map((key) => submissions.submit(submission(key))));
    const outcomes = await Promise.allSettled([
      submissions.submit(submission("c")),
      submissions.submit(submission("a")),
      submissions.submit(submission("b", { fingerprint: "g" })),
      submissions.submit(submission("d")),
    ]);
    expect(outcomes).toMatchObject([
      { value: true },
      { value: false },
      { reason: { code: "key_reused" } },
      { value: true },
    ]);
    // A refused one has left nothing: it is refused again, and the first is still what was accepted.
    await expect(submissions.submit(submission("b", { fingerprint: "g" }))).rejects.toMatchObject({
      code: "key_reused",
    });
    expect(await submissions.submit(submission("b"))).toBe(false);
    expect(await keysOf()).toEqual(["a", "b", "c", "d"]);
  });

  test("with one key at the same time are published once", async () => {
    const firsts = await Promise.all([1, 2, 3].map(() => submissions.submit(submission("same"))));
    expect(firsts.filter(Boolean)).toHaveLength(1);
    expect(await keysOf()).toEqual(["same"]);
  });

  test("of several processes with the same keys are published once, whoever comes first, and none waits crosswise", async () => {
    const others = [submissions, new Submissions(pool), new Submissions(database.openPool("some_micro"))];
    const keys = Array.from({ length: 60 }, (_, index) => `k${index}`);
    const firsts = await Promise.all(
      others.flatMap((each, index) =>
        (index % 2 === 0 ? keys : keys.toReversed()).map((key) => each.submit(submission(key))),
      ),
    );
    expect(firsts.filter(Boolean)).toHaveLength(60);
    expect(await keysOf()).toEqual(keys.sort());
  });

  test("that the database refuses spoil nothing for those beside them", async () => {
    const outcomes = await Promise.allSettled([
      submissions.submit(submission("a")),
      submissions.submit(submission("bad", { payload: '{"unclosed": ' })),
      submissions.submit(submission("b")),
    ]);
    expect(outcomes).toMatchObject([
      { value: true },
      { reason: { code: "invalid_argument" } },
      { value: true },
    ]);
    expect(await keysOf()).toEqual(["a", "b"]);
    expect(await submissions.submit(submission("bad"))).toBe(true);
  });

  test("do not wait for the key of another, which somebody keeps", async () => {
    const locker = await database.connect("some_micro");
    await locker.query("begin; insert into quartet.inbox (consumer, event_id) values ('command', 'kept')");
    const kept = submissions.submit(submission("kept"));
    const beside = submissions.submit(submission("beside"));
    await setImmediate();
    const behind = submissions.submit(submission("behind"));
    expect([await beside, await behind]).toEqual([true, true]);
    await locker.query("rollback");
    expect(await kept).toBe(true);
    expect(await keysOf()).toEqual(["behind", "beside", "kept"]);
  });

  test("whose time is over while others are under way are not begun", async () => {
    const locker = await database.connect();
    await locker.query("begin; lock table quartet.outbox in exclusive mode");
    const under = submissions.submit(submission("a"));
    await setImmediate(); // it is under way; what comes now waits
    const late = submissions.submit(submission("late"));
    const failed = expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    await locker.query("commit");
    await failed;
    clock.mockRestore();
    expect(await under).toBe(true);
    expect(await keysOf()).toEqual(["a"]);
  });

  test("with less time than a statement may take are limited by it", async () => {
    const locker = await database.connect();
    await locker.query("begin; lock table quartet.outbox in exclusive mode");
    await expect(submissions.submit(submission("a", { deadlineMs: Date.now() + 100 }))).rejects.toMatchObject(
      { code: "deadline_exceeded" },
    );
    await locker.query("rollback");
    expect(await submissions.submit(submission("a"))).toBe(true);
  });

  test("whose connection is lost are unavailable, all of them, and the next are not", async () => {
    const locker = await database.connect();
    await locker.query("begin; lock table quartet.outbox in exclusive mode");
    const all = ["a", "b"].map((key) => submissions.submit(submission(key)));
    const settled = Promise.allSettled(all);
    await expect
      .poll(() =>
        database.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'some_micro' and wait_event_type = 'Lock'",
        ),
      )
      .toHaveLength(1);
    expect(await settled).toMatchObject([
      { reason: { code: "unavailable" } },
      { reason: { code: "unavailable" } },
    ]);
    await locker.query("rollback");
    expect(await submissions.submit(submission("a"))).toBe(true);
  });

  test("of large payloads go by themselves", async () => {
    const payload = JSON.stringify({ text: "x".repeat(70_000) });
    const keys = ["a", "b", "c"];
    await Promise.all(keys.map((key) => submissions.submit(submission(key, { payload }))));
    expect(new Set((await published()).map(({ xmin }) => xmin)).size).toBe(3);
  });
});
