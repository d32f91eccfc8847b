import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ReadPacer } from "./read-pacer.ts";

let stack: AsyncDisposableStack;
/** Two ends of a connection. */
let writer: Socket;
let reader: Socket;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const accepted = once(server, "connection");
  reader = connect(address.port, "127.0.0.1");
  [writer] = (await accepted) as [Socket];
  writer.setNoDelay(true);
  stack.defer(() => void server.close());
  for (const socket of [writer, reader]) stack.defer(() => void socket.destroy());
});

afterEach(() => stack.disposeAsync());

/** Reads as the connection does: a listener that parses, then the pacer. */
function read() {
  const seen = { text: "", reads: 0 };
  reader.on("data", (chunk: Buffer) => {
    seen.text += chunk.toString("latin1");
    seen.reads++;
  });
  const pacer = new ReadPacer(reader);
  stack.defer(() => pacer.stop());
  return { seen, pacer };
}

/** Writes so many pieces, each for itself, as a walsender does. */
async function writePieces(count: number): Promise<string> {
  let all = "";
  for (let piece = 0; piece < count; piece++) {
    writer.write(`${piece} `);
    all += `${piece} `;
    await nextTurn();
  }
  return all;
}

test("many small pieces are read in few gulps, all of them and in order", async () => {
  const { seen } = read();
  const written = await writePieces(5_000);
  await expect.poll(() => seen.text).toBe(written);
  expect(seen.reads).toBeLessThan(5_000 / 2);
});

test("held, nothing is read, not even after a rest; released, all comes", async () => {
  const { seen, pacer } = read();
  await writePieces(50); // enough to make it rest
  pacer.hold();
  await nextTurn();
  const { text } = seen;
  const rest = await writePieces(50);
  await delay(20); // much longer than a rest
  expect(pacer.held).toBe(true);
  expect(seen.text).toBe(text);
  pacer.release();
  await expect.poll(() => seen.text.endsWith(rest)).toBe(true);
});

test("tells when it was read last, and counts from its release", async () => {
  const { seen, pacer } = read();
  const before = pacer.readAt;
  await writePieces(1);
  await expect.poll(() => seen.reads).toBe(1);
  const afterRead = pacer.readAt;
  expect(afterRead).toBeGreaterThan(before);
  pacer.hold();
  await delay(5);
  expect(pacer.readAt).toBe(afterRead);
  pacer.release();
  expect(pacer.readAt).toBeGreaterThan(afterRead);
});
