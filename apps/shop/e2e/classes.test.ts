import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { openProcess, refusedStart } from "./open-process.ts";
import { send } from "./send-request.ts";
import { offerProduct, placeOrder } from "./shop-client.ts";

let cluster: Cluster;
let primary: pg.Pool;

beforeAll(async () => {
  cluster = await openCluster();
  primary = cluster.database("primary");
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

/** The URL of a new login on the primary, with these rights and no other. */
async function createLogin(name: string, ...grants: string[]): Promise<string> {
  await primary.query(`create role ${name} login password 'secret'`);
  for (const grant of grants) await primary.query(`grant ${grant} to ${name}`);
  const url = new URL(cluster.ownerUrl("primary"));
  url.username = name;
  url.password = "secret";
  return url.href;
}

/** The SQL that an error gives to mend itself. */
function fixOf(output: string): string {
  return output
    .slice(output.indexOf("To mend it:") + "To mend it:".length)
    .split("\n")
    .filter((line) => line.trim().endsWith(";"))
    .join("\n");
}

describe("four logins", () => {
  test("the same build started with four logins finds the four classes, and no other difference", async () => {
    const common = { QUARTET_SECRET: cluster.secret };
    const logins = {
      crud: { DATABASE_URL: cluster.loginUrl("crud") },
      micro: {
        DATABASE_URL: cluster.loginUrl("micro"),
        EVENTS_DATABASE_URL: cluster.loginUrl("micro-events"),
      },
      nano: { DATABASE_URL: cluster.loginUrl("nano") },
      lambda: {},
    };
    for (const [name, login] of Object.entries(logins)) {
      await using started = await openProcess({ ...common, ...login });
      const whoami = await send("GET", `${started.url}/_quartet/whoami`);
      expect(whoami.json).toMatchObject({ class: name, domain: "shop", surplus: [], pid: started.pid });
      expect(whoami.headers["quartet-class"]).toBe(name);
      expect(whoami.json.reasons).toEqual(cluster.rows.find((row) => row.name === name)?.reasons);
      expect(started.reasons).toEqual(whoami.json.reasons);
      expect((await send("GET", `${started.url}/readyz`)).status).toBe(200);
      expect((await send("GET", `${started.url}/livez`)).status).toBe(200);
    }
  });

  test("micro and nano on the primary itself are micro and nano all the same", async () => {
    const common = { QUARTET_SECRET: cluster.secret };
    const events = { EVENTS_DATABASE_URL: cluster.loginUrl("micro-events") };
    await using micro = await openProcess({
      ...common,
      ...events,
      DATABASE_URL: cluster.loginUrl("micro", "primary"),
    });
    await using nano = await openProcess({ ...common, DATABASE_URL: cluster.loginUrl("nano", "primary") });
    expect((await send("GET", `${micro.url}/_quartet/whoami`)).json.class).toBe("micro");
    expect((await send("GET", `${nano.url}/_quartet/whoami`)).json.class).toBe("nano");
    const sku = await offerProduct(cluster.door);
    expect((await placeOrder(micro.url, { sku })).status).toBe(200);
    expect((await send("GET", `${nano.url}/v1/stock/${sku}`)).json).toMatchObject({ sold: "1" });
  });

  test("QUARTET_EXPECT_CLASS lets the class it names through and stops every other", async () => {
    const environment = { QUARTET_SECRET: cluster.secret, DATABASE_URL: cluster.loginUrl("nano") };
    await using nano = await openProcess({ ...environment, QUARTET_EXPECT_CLASS: "nano" });
    expect(nano.reasons).toContain("shop is a replica");
    const refused = await refusedStart({ ...environment, QUARTET_EXPECT_CLASS: "crud" });
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("QUARTET_EXPECT_CLASS is crud, but this process is a nano");
  });
});

describe("logins that are refused", () => {
  const start = (url: string) => refusedStart({ QUARTET_SECRET: cluster.secret, DATABASE_URL: url });

  test("a superuser is refused, on the primary and on the replica, with the SQL that mends it", async () => {
    for (const server of ["primary", "replica"] as const) {
      const refused = await start(cluster.ownerUrl(server));
      expect(refused.code).toBe(2);
      expect(refused.output).toContain("postgres is superuser in shop");
      expect(fixOf(refused.output)).toContain("nosuperuser;");
      expect(refused.output).toContain("QUARTET_ALLOW_SURPLUS=1");
    }
  });

  test("a superuser starts when surplus rights are allowed", async () => {
    await using started = await openProcess({
      QUARTET_SECRET: cluster.secret,
      DATABASE_URL: cluster.ownerUrl("primary"),
      QUARTET_ALLOW_SURPLUS: "1",
    });
    const whoami = await send("GET", `${started.url}/_quartet/whoami`);
    expect(whoami.json.class).toBe("crud");
    expect(whoami.json.surplus).toContain("postgres is superuser in shop");
  });

  test.each([
    ["its own grant", "grant insert on shop.orders to {login}"],
    ["a group's grant", "grant insert on shop.orders to surplus_group; grant surplus_group to {login}"],
    ["everybody's grant", "grant insert on shop.stock to public"],
    ["a grant on one column", "grant update (pb) on shop.orders to {login}"],
    ["a grant on the outbox", "grant insert on quartet.outbox to {login}"],
    ["a role it may become", "grant quartet_crud to {login} with inherit false, set true"],
    ["a right to create objects", "grant create on schema shop to {login}"],
    ["an attribute", "alter role {login} createrole"],
  ])("a nano that may write by %s is refused, and the SQL it is told mends it", async (what, sql) => {
    const login = `surplus_${what.replaceAll(/\W/g, "_")}`;
    await primary.query(
      "do $$ begin create role surplus_group; exception when duplicate_object then null; end $$",
    );
    const url = await createLogin(login, "quartet_nano");
    await primary.query(sql.replaceAll("{login}", login));
    try {
      const refused = await start(url);
      expect(refused, refused.output).toMatchObject({ code: 2 });
      expect(refused.output).toContain("may more than a nano needs");
      expect(fixOf(refused.output)).not.toBe("");
      await primary.query(fixOf(refused.output));
      await using mended = await openProcess({ QUARTET_SECRET: cluster.secret, DATABASE_URL: url });
      expect(mended.reasons).toContain("shop is a primary");
    } finally {
      await primary.query("revoke insert on shop.stock from public");
    }
  });

  test("a login that may read nothing is refused, and the grants it is told make it a nano", async () => {
    const url = await createLogin("reads_nothing");
    const refused = await start(url);
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("This login fits no class. For nano it lacks:");
    expect(fixOf(refused.output).replaceAll('"', "")).toContain(
      "grant select on shop.products to reads_nothing;",
    );
    expect(fixOf(refused.output).replaceAll('"', "")).toContain("on quartet.operation to reads_nothing;");
    await primary.query(fixOf(refused.output));
    await using nano = await openProcess({ QUARTET_SECRET: cluster.secret, DATABASE_URL: url });
    const sku = await offerProduct(cluster.door);
    expect((await send("GET", `${nano.url}/v1/products/${sku}`)).status).toBe(200);
  });

  test("a login that lacks SELECT on one table is refused with the grant that it lacks", async () => {
    const tables =
      "shop.products, shop.prices, shop.orders, shop.confirmations, shop.refunds, quartet.operation, quartet.flag_document, quartet.saga";
    const url = await createLogin("lacks_stock", "usage on schema shop, quartet", `select on ${tables}`);
    const refused = await start(url);
    expect(refused.code).toBe(2);
    expect(fixOf(refused.output).replaceAll('"', "")).toBe("grant select on shop.stock to lacks_stock;");
  });

  test("a micro that may not publish is refused with the grants that it lacks", async () => {
    const refused = await refusedStart({
      QUARTET_SECRET: cluster.secret,
      DATABASE_URL: cluster.loginUrl("nano"),
      EVENTS_DATABASE_URL: cluster.loginUrl("relay", "primary"),
      QUARTET_EXPECT_CLASS: "micro",
    });
    expect(refused.code).toBe(2);
    expect(fixOf(refused.output)).toContain("grant insert on");
  });

  test("a wrong password ends the start with an error that shows no password", async () => {
    const url = new URL(cluster.loginUrl("nano"));
    url.password = "not-the-password";
    const refused = await start(url.href);
    expect(refused.code).toBe(2);
    expect(refused.output).toMatch(/password authentication failed/);
    expect(refused.output).not.toContain("not-the-password");
  });
});

describe("environments that are refused", () => {
  test("all faults of an environment are reported together, with exit code 2", async () => {
    const refused = await refusedStart({
      DATABASE_URL: "mysql://user:hidden@127.0.0.1/shop",
      EVENTS_DATABASE_URL: "nonsense",
      PORT: "99999",
      GRPC_PORT: "x",
      QUARTET_SECRET: "short",
      QUARTET_EXPECT_CLASS: "mega",
      QUARTET_ALLOW_SURPLUS: "maybe",
      QUARTET_LOG_LEVEL: "loud",
      QUARTET_MAX_CONNECTIONS: "0",
      QUARTET_CRUD_URLS: "ftp://127.0.0.1",
      QUARTET_EXCEPTIONS: "nothing",
    });
    expect(refused.code).toBe(2);
    for (const name of [
      "DATABASE_URL",
      "EVENTS_DATABASE_URL",
      "PORT",
      "GRPC_PORT",
      "QUARTET_SECRET",
      "QUARTET_EXPECT_CLASS",
      "QUARTET_ALLOW_SURPLUS",
      "QUARTET_LOG_LEVEL",
      "QUARTET_MAX_CONNECTIONS",
      "QUARTET_CRUD_URLS",
      "QUARTET_EXCEPTIONS",
    ]) {
      expect(refused.output).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    }
    expect(refused.output).not.toContain("hidden");
  });

  test("an events database without a main database is refused", async () => {
    const refused = await refusedStart({
      QUARTET_SECRET: cluster.secret,
      EVENTS_DATABASE_URL: cluster.loginUrl("micro-events"),
    });
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("EVENTS_DATABASE_URL is set, but DATABASE_URL is not");
  });

  test("a database without a secret is refused with the command that makes one", async () => {
    const refused = await refusedStart({ DATABASE_URL: cluster.loginUrl("nano") });
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("openssl rand -base64 32");
  });

  test("a port that is taken ends the start with a fix", async () => {
    const refused = await refusedStart({
      QUARTET_SECRET: cluster.secret,
      DATABASE_URL: cluster.loginUrl("nano"),
      PORT: new URL(cluster.url("nano")).port,
    });
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("EADDRINUSE");
    expect(refused.output).toContain("Set PORT to a free port");
  });
});

describe("what a class serves", () => {
  const expectWrongClass = async (verb: string, url: string, json?: unknown) => {
    const answer = await send(verb, url, json === undefined ? {} : { json });
    expect(answer.status, answer.text).toBe(421);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.json).toMatchObject({ status: 421, code: "wrong_class", fix: expect.any(String) });
  };
  const order = { customer: "ada", sku: "a", quantity: 1 };

  test("nano refuses commands and computes", async () => {
    await expectWrongClass("POST", `${cluster.url("nano")}/v1/orders`, order);
    await expectWrongClass("PUT", `${cluster.url("nano")}/v1/products/a`, { name: "a" });
    await expectWrongClass("POST", `${cluster.url("nano")}/v1/parcels:pack`, { items: [] });
  });

  test("micro refuses queries and computes", async () => {
    await expectWrongClass("GET", `${cluster.url("micro")}/v1/landing`);
    await expectWrongClass("POST", `${cluster.url("micro")}/v1/parcels:pack`, { items: [] });
  });

  test("lambda serves computes and nothing else", async () => {
    const items = [{ sku: "a", quantity: 1 }];
    const packed = await send("POST", `${cluster.url("lambda")}/v1/parcels:pack`, { json: { items } });
    expect(packed.json).toMatchObject({ box: "S" });
    await expectWrongClass("GET", `${cluster.url("lambda")}/v1/landing`);
    await expectWrongClass("POST", `${cluster.url("lambda")}/v1/orders`, order);
  });

  test("crud serves everything", async () => {
    const crud = cluster.url("crud");
    const sku = await offerProduct(crud);
    expect((await send("GET", `${crud}/v1/products/${sku}`)).status).toBe(200);
    expect((await placeOrder(crud, { sku })).status).toBe(200);
    expect((await send("POST", `${crud}/v1/parcels:pack`, { json: { items: [] } })).status).toBe(200);
  });

  test("a refusal on the Connect surface is a Connect error", async () => {
    const answer = await send("POST", `${cluster.url("nano")}/shop.v1.Orders/PlaceOrder`, { json: order });
    expect(answer.json).toMatchObject({ code: "unimplemented" });
  });
});
