import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEventId } from "../../outbox/event-id.ts";
import { publicAddresses } from "../../wire/http/address-rules.ts";
import { callbackSecrets } from "../callback/callback-secrets.ts";
import { readCausedEvents } from "../delivery/caused-events.ts";
import { printableSecret } from "../push/subscription-secrets.ts";
import { openTestRelayAdmin, type TestRelayAdmin, testSecret } from "./test-relay-admin.ts";

let admin: TestRelayAdmin;

beforeAll(async () => {
  admin = await openTestRelayAdmin({ addressRules: publicAddresses });
});
afterAll(() => admin[Symbol.asyncDispose]());

describe("the deliveries of an operation", () => {
  test("are told by its id and the time of its acceptance", async () => {
    const accepted = new Date(Date.now() - 60_000);
    const eventId = createEventId(accepted.getTime());
    await admin.database.query(
      `insert into quartet.event_log (segment, seq, epoch, source, event_id, type, key, payload, correlationid, committed_at)
values (1, 1, 1, 'main', $1, 'shop.v1.OrderPlaced', 'o1', '{}', 'op1', now())`,
      [eventId],
    );
    await admin.call("POST", "subscriptions", {
      subscription: { name: "billing", endpoint: "https://8.8.8.8/hook" },
      fromBeginning: true,
    });
    const asked = `operations/op1/deliveries?accept_time=${accepted.toISOString()}`;
    const { status, json } = await admin.call("GET", asked);
    expect([status, json.truncated]).toEqual([200, false]);
    expect(json.events).toMatchObject([
      {
        eventId,
        eventType: "shop.v1.OrderPlaced",
        sequence: "1",
        deliveries: [{ subscription: "billing", state: "DELIVERY_STATE_WAITING" }],
      },
    ]);
  });

  test("cannot be told without that time", async () => {
    const { status, json } = await admin.call("GET", "operations/op1/deliveries");
    expect([status, json.code, json.field]).toEqual([400, "invalid_argument", "accept_time"]);
  });

  test("are found by the index on ids, whatever else the log holds", async () => {
    const { pool } = admin.database;
    await pool.query(`insert into quartet.event_log (segment, seq, epoch, source, event_id, type, key, payload, committed_at)
select 1, 10 + n, 1, 'main', uuidv7(), 'shop.v1.Other', '', '{}', now() from generate_series(1, 20000) n`);
    await pool.query("analyze quartet.event_log");
    const plans: string[] = [];
    const explaining = {
      query: async ({ text, values }: { text: string; values: unknown[] }) => {
        const { rows } = await pool.query(`explain ${text}`, values);
        plans.push(...rows.map((row) => String(row["QUERY PLAN"])));
        return { rows: [] };
      },
    };
    await readCausedEvents(explaining as never, "op1", Date.now());
    expect(plans.join("\n")).toMatch(/Index Scan.*event_id/);
    expect(plans.join("\n")).not.toContain("Seq Scan on event_log_1");
  });
});

test("the secrets of callbacks are told for the origin of a URL", async () => {
  const url = "https://client.example/done?x=1";
  const { json } = await admin.call("GET", `callbacks:secrets?url=${encodeURIComponent(url)}`);
  expect(json.secrets).toEqual(callbackSecrets([testSecret], "https://client.example").map(printableSecret));
  const other = await admin.call("GET", "callbacks:secrets?url=nowhere");
  expect([other.status, other.json.field]).toEqual([400, "url"]);
});

describe("a subscription to an address that is not public", () => {
  test.each([
    "http://127.0.0.1:9",
    "http://0x7f.1",
    "http://[::1]",
    "http://localhost",
    "http://169.254.169.254",
  ])("is refused at once: %s", async (endpoint) => {
    const subscription = { name: "inside", endpoint };
    const { status, json } = await admin.call("POST", "subscriptions", { subscription });
    expect([status, json.code, json.field]).toEqual([400, "invalid_argument", "endpoint"]);
  });

  test("cannot be made of another", async () => {
    await admin.call("POST", "subscriptions", {
      subscription: { name: "moved", endpoint: "https://8.8.8.8" },
    });
    const changes = { endpoint: "http://10.0.0.1" };
    const { status, json } = await admin.call("PATCH", "subscriptions/moved?update_mask=endpoint", changes);
    expect([status, json.field]).toEqual([400, "endpoint"]);
  });
});
