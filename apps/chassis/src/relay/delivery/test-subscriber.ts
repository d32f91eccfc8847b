import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** One push as the subscriber saw it. */
export interface SeenPush {
  readonly eventId: string;
  readonly key: string;
  readonly status: number;
}

/** A subscriber of an outside party, on a real port. */
export interface TestSubscriber extends AsyncDisposable {
  readonly url: string;
  readonly pushes: readonly SeenPush[];
  /** Ids that were acknowledged, in order, per key. */
  acknowledged(key: string): readonly string[];
}

/** Answers every push with the status that `answer` gives it, for test purposes. */
export async function openTestSubscriber(
  answer: (eventId: string, earlier: number) => number,
  { port = 0, body = "" }: { readonly port?: number; readonly body?: string } = {},
): Promise<TestSubscriber> {
  const pushes: SeenPush[] = [];
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const eventId = String(request.headers["ce-id"]);
      const key = decodeURIComponent(String(request.headers["ce-partitionkey"] ?? ""));
      const status = answer(eventId, pushes.filter((push) => push.eventId === eventId).length);
      pushes.push({ eventId, key, status });
      response.writeHead(status).end(status === 204 ? undefined : body);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pushes,
    acknowledged: (key) =>
      pushes.filter((push) => push.key === key && push.status < 300).map((push) => push.eventId),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
