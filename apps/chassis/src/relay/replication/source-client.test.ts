import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withSourceClient } from "./source-client.ts";

/** Takes connections and never says a word. */
let silent: Server;
let sockets: Socket[] = [];
let url: string;

beforeEach(async () => {
  silent = createServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  url = `postgres://nobody@127.0.0.1:${(silent.address() as AddressInfo).port}/none`; // it listens on a port
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  silent.close();
  await once(silent, "close");
});

test.each(["connected", "at once"])(
  "whoever is aborted while it connects ends: %s",
  async (when) => {
    const abort = new AbortController();
    const source = { url, slot: "quartet_test", publication: "none" };
    const working = withSourceClient(source, async () => "worked", { signal: abort.signal });
    const ended = expect(working).rejects.toMatchObject({ code: "unavailable" });
    if (when === "connected") await once(silent, "connection");
    abort.abort();
    await ended;
  },
  5_000,
);
