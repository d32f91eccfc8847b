import type { RequestListener, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { QuartetError } from "../error/quartet-error.ts";

/** A listening server. Disposing stops intake, drains what is under way for a while, then closes. */
export interface Listener extends AsyncDisposable {
  readonly port: number;
}

const drainMs = 5_000;

/**
 * Listens for HTTP/1.1.
 *
 * @param port 0 for any free one
 * @throws QuartetError `failed_precondition` when the port is taken.
 */
export async function openListener(handler: RequestListener, port: number, host: string): Promise<Listener> {
  const closing = { now: false };
  const server = createServer(
    { keepAliveTimeout: 10_000, headersTimeout: 15_000, requestTimeout: 30_000 },
    (request, response) => {
      // A kept-alive connection would bring the next request: every answer says that this one was the last.
      if (closing.now) response.setHeader("Connection", "close");
      handler(request, response);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new QuartetError("failed_precondition", `Cannot listen on ${host}:${port}: ${cause.message}.`, {
          cause,
          fix: "Set PORT to a free port, or to 0.",
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    // listen() has succeeded on TCP, so the address is there.
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => {
      closing.now = true;
      return close(server);
    },
  };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const controller = new AbortController();
  const drained = delay(drainMs, undefined, { signal: controller.signal }).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  clearInterval(idle);
  controller.abort();
  await drained;
}
