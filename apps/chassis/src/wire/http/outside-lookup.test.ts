import { createSocket } from "node:dgram";
import type { LookupAddress } from "node:dns";
import { lookup as systemLookup } from "node:dns/promises";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOutsideLookup, type OutsideNames } from "./outside-lookup.ts";

/** What a name server says of a name: an IPv4 address, that there is none, or nothing. */
type Said = { readonly address: string } | "unknown" | "silence";

const silentNames = new Set<string>();

function say(name: string): Said {
  if (name.endsWith(".silent.example")) {
    silentNames.add(name);
    return "silence";
  }
  return name === "well.example" ? { address: "93.184.216.34" } : "unknown";
}

const server = createSocket("udp4");
server.on("message", (query, { port, address }) => {
  const answer = answerQuery(query);
  if (answer !== undefined) server.send(answer, port, address);
});

/** RFC 1035, section 4: the question again, with one A record or none. */
function answerQuery(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const said = say(labels.join(".").toLowerCase());
  if (said === "silence") return undefined;
  const isA = query.readUInt16BE(at + 1) === 1;
  const record =
    said !== "unknown" && isA
      ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...said.address.split(".").map(Number)])
      : Buffer.alloc(0);
  const head = Buffer.from([
    0,
    0,
    0x81,
    said === "unknown" ? 0x83 : 0x80,
    0,
    1,
    0,
    record.length && 1,
    0,
    0,
    0,
    0,
  ]);
  query.copy(head, 0, 0, 2);
  return Buffer.concat([head, query.subarray(12, at + 5), record]);
}

let folder: string;
let names: OutsideNames;

beforeAll(async () => {
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  folder = await mkdtemp(join(tmpdir(), "quartet-hosts-"));
  const hostsFile = join(folder, "hosts");
  await writeFile(
    hostsFile,
    "# names\n10.0.0.7\tinside.example Alias.example # of it\nfd00::7 inside.example\n",
  );
  names = { servers: [`127.0.0.1:${server.address().port}`], hostsFile, answerMs: 400 };
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const resolve = (name: string, askSystem?: OutsideNames["askSystem"]) =>
  new Promise<readonly LookupAddress[]>((done, fail) => {
    const lookup = createOutsideLookup({ ...names, ...(askSystem === undefined ? {} : { askSystem }) });
    lookup(name, { all: true }, (error, found) =>
      error === null ? done(found as LookupAddress[]) : fail(error),
    );
  });

test("names whose servers are silent keep no other name waiting, of strangers or of this process", async () => {
  let ended = 0;
  const silent = Array.from({ length: 64 }, (_, at) =>
    resolve(`n${at}.silent.example`).then(
      () => "found",
      (error: NodeJS.ErrnoException) => {
        ended += 1;
        return error.code;
      },
    ),
  );
  expect(await resolve("well.example")).toEqual([{ address: "93.184.216.34", family: 4 }]);
  expect(await systemLookup("localhost")).toMatchObject({ address: expect.any(String) });
  expect([silentNames.size > 0, ended]).toEqual([true, 0]);
  expect(new Set(await Promise.all(silent))).toEqual(new Set(["ETIMEOUT"]));
});

test("localhost is this machine, and the hosts file comes before name servers", async () => {
  for (const name of ["localhost", "api.localhost", "LOCALHOST."]) {
    expect((await resolve(name)).map(({ address }) => address)).toEqual(["127.0.0.1", "::1"]);
  }
  expect(await resolve("Inside.example")).toEqual([
    { address: "10.0.0.7", family: 4 },
    { address: "fd00::7", family: 6 },
  ]);
  expect(await resolve("alias.example.")).toEqual([{ address: "10.0.0.7", family: 4 }]);
});

test("what name servers do not know the system is asked for, one name at a time, and not for too many", async () => {
  const asked: string[] = [];
  let underWay = 0;
  const refused = Promise.withResolvers<void>();
  const askSystem = async (name: string) => {
    asked.push(name);
    underWay += 1;
    expect(underWay).toBe(1);
    await refused.promise;
    underWay -= 1;
    if (name === asked[0]) return [{ address: "10.0.0.8", family: 4 }];
    throw Object.assign(new Error(name), { code: "EAI_AGAIN" });
  };
  const counts = { found: 0, ENOTFOUND: 0, EAI_AGAIN: 0 };
  const resolving = Array.from({ length: 60 }, (_, at) =>
    resolve(`n${at}`, askSystem).then(
      () => {
        counts.found += 1;
      },
      ({ code }: { readonly code: "ENOTFOUND" | "EAI_AGAIN" }) => {
        counts[code] += 1;
        if (counts.ENOTFOUND === 28) refused.resolve();
      },
    ),
  );
  await Promise.all(resolving);
  expect(counts).toEqual({ found: 1, ENOTFOUND: 28, EAI_AGAIN: 31 });
});
