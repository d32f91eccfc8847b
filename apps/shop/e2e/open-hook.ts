import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** One request that a hook has had. */
export interface HookRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The status that it answered with. */
  readonly status: number;
}

/** An outside party's webhook. */
export interface Hook extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly HookRequest[];
  /** Decides the status of the answers to come. */
  answer: (headers: IncomingHttpHeaders) => number;
}

/** Opens a webhook on a port of its own; it takes everything until told otherwise. */
export async function openHook(): Promise<Hook> {
  const requests: HookRequest[] = [];
  const hook = { answer: (_headers: IncomingHttpHeaders) => 204 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const status = hook.answer(request.headers);
      requests.push({ headers: request.headers, body: Buffer.concat(chunks).toString("utf8"), status });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(hook, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
