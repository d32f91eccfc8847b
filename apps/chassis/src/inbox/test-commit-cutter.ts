import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Stands between a pool and PostgreSQL, and cuts a connection at a COMMIT. */
export interface CommitCutter extends AsyncDisposable {
  /** The URL that leads through it. */
  readonly url: string;
  /** The next COMMIT is done and its answer lost, or is lost itself. */
  arm(what: "answer" | "commit"): void;
}

/** @param url of a database, over TCP */
export async function openCommitCutter(url: string): Promise<CommitCutter> {
  const target = new URL(url);
  let armed: "answer" | "commit" | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    let cutsAnswer = false;
    client.on("data", (chunk) => {
      const cut = chunk.includes("commit\0") ? armed : undefined;
      if (cut !== undefined) armed = undefined;
      if (cut === "commit") client.destroy();
      else upstream.write(chunk);
      cutsAnswer ||= cut === "answer";
    });
    upstream.on("data", (chunk) => (cutsAnswer ? client.destroy() : client.write(chunk)));
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const through = new URL(url);
  // It listens on TCP, so the address is there.
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    arm: (what) => {
      armed = what;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
