import { expect, test } from "vitest";
import { FlagBook } from "../flags/flag-book.ts";
import type { FlagSource } from "../flags/flag-source.ts";
import { flagDomain, getThing, later, makeThing, weigh } from "../flags/test-flags.ts";
import { parseExceptions } from "./exceptions.ts";
import { createRoutes, type ListedRoute } from "./routes.ts";

/** Routes of the test service with a document of these flags' only variants. */
async function routesOf(flags: Readonly<Record<string, string>>, exceptions = "") {
  const entries = Object.entries(flags).map(([key, value]) => {
    return [key, { state: "ENABLED", variants: { only: value }, defaultVariant: "only" }] as const;
  });
  const document = JSON.stringify({ flags: Object.fromEntries(entries) });
  const source: FlagSource = { name: "this test", read: async () => ({ changed: true, document }) };
  const book = new FlagBook(flagDomain.methods, source);
  await book.look(AbortSignal.timeout(1_000));
  const faults: string[] = [];
  const routes = createRoutes(flagDomain, parseExceptions(exceptions, faults), book);
  expect(faults).toEqual([]);
  return routes;
}

function line(list: readonly ListedRoute[], name: string): ListedRoute | undefined {
  return list.find((route) => route.name === name);
}

test.each([
  ["direct", "crud"],
  ["offloaded", "micro"],
  ["async", "micro"],
])("a command whose flag says %s goes to %s", async (mode, serviceClass) => {
  const routes = await routesOf({ [makeThing]: mode });
  expect(routes.find("POST", "/v1/things", "p")).toMatchObject({ mode, serviceClass, safe: false });
});

test.each([
  ["eventual", "nano"],
  ["own_writes", "nano"],
  ["strong", "crud"],
])("a query whose flag says %s goes to %s", async (consistency, serviceClass) => {
  const routes = await routesOf({ [getThing]: consistency });
  expect(routes.find("GET", "/v1/things/1", "p")).toMatchObject({ consistency, serviceClass, safe: true });
});

test("an exception wins over the flag, and says so", async () => {
  const exceptions = `${makeThing}=direct,${getThing}=nano`;
  const list = (await routesOf({ [makeThing]: "async", [getThing]: "strong" }, exceptions)).list("p");
  expect(line(list, makeThing)).toMatchObject({
    class: "crud",
    mode: "direct",
    reason: "QUARTET_EXCEPTIONS",
  });
  expect(line(list, getThing)).toMatchObject({
    class: "nano",
    reason: expect.stringMatching(/^QUARTET_EXC.*flag/),
  });
});

test("without flags the protos decide", async () => {
  const list = (await routesOf({})).list("p");
  expect(line(list, later)).toMatchObject({
    class: "micro",
    mode: "async",
    reason: "its proto",
  });
  expect(line(list, getThing)).toMatchObject({ class: "nano", consistency: "own_writes" });
  expect(line(list, "flagged.v1.Things/ReadAll")).toMatchObject({ class: "crud", consistency: "strong" });
  expect(line(list, "flagged.v1.Things/Browse")).toMatchObject({ class: "nano", consistency: "eventual" });
  expect(line(list, weigh)).toMatchObject({ class: "lambda", reason: "a compute" });
});

test.each([
  ["no.Such/Method=crud", "there is no method"],
  [`${getThing}=async`, "has no mode"],
])("the exception %s is refused", async (exception, message) => {
  await expect(routesOf({}, exception)).rejects.toThrow(message);
});
