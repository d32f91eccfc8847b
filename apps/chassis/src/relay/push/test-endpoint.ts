import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** One request as it came. */
export interface RawRequest {
  /** Such as `POST /hook HTTP/1.1`. */
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** An endpoint that answers, lies or says nothing, byte by byte. */
export interface TestEndpoint extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly RawRequest[];
  /** Connections that were made. */
  readonly accepted: number;
  /** Connections that are open. */
  readonly open: number;
}

/**
 * Calls `answer` with each whole request, for test purposes. What it does to the socket is the answer.
 *
 * @param greet is called with each connection
 */
export async function openTestEndpoint(
  answer: (socket: Socket, request: RawRequest) => void,
  greet: (socket: Socket) => void = () => undefined,
): Promise<TestEndpoint> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    greet(socket);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      const whole = cutRequest(received);
      if (whole === undefined) return;
      received = received.subarray(whole.bytes);
      requests.push(whole.request);
      answer(socket, whole.request);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get accepted() {
      return accepted;
    },
    get open() {
      return sockets.size;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer with its length. */
export function http(status: number, headers: Readonly<Record<string, string>> = {}, body = ""): string {
  const all = Object.entries({ ...headers, "content-length": String(Buffer.byteLength(body)) });
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} X\r\n${lines.join("")}\r\n${status === 204 ? "" : body}`;
}

function cutRequest(received: Buffer): { bytes: number; request: RawRequest } | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line = "", ...lines] = received.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(
    lines.map((text) => [text.slice(0, text.indexOf(":")).toLowerCase(), text.slice(text.indexOf(":") + 2)]),
  );
  const bytes = end + 4 + Number(headers["content-length"] ?? 0);
  if (received.length < bytes) return undefined;
  return { bytes, request: { line, headers, body: received.subarray(end + 4, bytes) } };
}
