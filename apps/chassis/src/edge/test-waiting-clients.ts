import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Clients in a process of their own that all wait for one answer. Disposing ends it. */
export interface WaitingClients extends AsyncDisposable {
  /** How many have an answer so far. */
  readonly answered: number;
  /** Resolves, with how many have `expected` in theirs, when all have one. */
  ended(): Promise<number>;
}

/** Each line it prints is a number: of those that have an answer; in the end, of those that have the one expected. */
const script = `
const { connect } = require("node:net");
const [port, path, count, expected] = process.argv.slice(1);
let answered = 0, right = 0;
const say = (text) => process.stdout.write(text + "\\n");
const open = () => new Promise((resolve, reject) => {
  const socket = connect(Number(port), "127.0.0.1", resolve);
  socket.on("error", reject);
  socket.write("GET " + path + " HTTP/1.1\\r\\nHost: test\\r\\nPrefer: wait=60\\r\\n\\r\\n");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
    if (!text.includes('"done":')) return;
    socket.removeAllListeners("data").destroy();
    answered += 1;
    if (text.startsWith("HTTP/1.1 200") && text.includes(expected)) right += 1;
    say("answered " + answered);
    if (answered === Number(count)) say("ended " + right);
  });
});
(async () => {
  for (let opened = 0; opened < Number(count); opened += 100) await Promise.all(Array.from({ length: 100 }, open));
  say("open");
})();
`;

/** Opens `count` connections, a hundred at a time, and resolves when all have sent their request. */
export async function openWaitingClients(
  url: string,
  count: number,
  expected: string,
): Promise<WaitingClients> {
  const { port, pathname } = new URL(url);
  const child = spawn(process.execPath, ["-e", script, port, pathname, String(count), expected], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const [open, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()];
  let answered = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [what, value] = line.split(" ");
    if (what === "open") open.resolve();
    else if (what === "ended") ended.resolve(Number(value));
    else answered = Number(value);
  });
  await Promise.race([
    open.promise,
    exited.then(() => {
      throw new Error("The clients ended before they were open.");
    }),
  ]);
  return {
    get answered() {
      return answered;
    },
    ended: () => ended.promise,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
