import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { formatBatchFailures } from "../../wire/batch-result.ts";
import { type CloudEvent, decodeCloudEvents } from "../../wire/cloud-event/cloud-event.ts";

/** One event of a push as the subscriber saw it. */
export interface SeenPush {
  readonly eventId: string;
  readonly key: string;
  readonly status: number;
  /** Which request it came in, from 0. */
  readonly request: number;
  readonly event: CloudEvent;
}

/** What a subscriber says of one event; of the whole request when it has one event, or `whole`. */
export interface TestAnswer {
  readonly status: number;
  readonly whole?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Says it of each event; `earlier`: how often it came before. A promise keeps the request waiting. */
export type Answering = (
  eventId: string,
  earlier: number,
) => number | TestAnswer | Promise<number | TestAnswer>;

/** A subscriber of an outside party, on a real port. */
export interface TestSubscriber extends AsyncDisposable {
  readonly url: string;
  readonly pushes: readonly SeenPush[];
  /** Ids that were acknowledged, in order, per key. */
  acknowledged(key: string): readonly string[];
}

export interface SubscriberOptions {
  readonly port?: number;
  /** In a batch it takes no event behind one of its key that it did not take. */
  readonly ordered?: boolean;
}

/** Answers pushes as `answering` says, for test purposes. */
export async function openTestSubscriber(
  answering: Answering,
  { port = 0, ordered = false }: SubscriberOptions = {},
): Promise<TestSubscriber> {
  const pushes: SeenPush[] = [];
  const earlier = new Map<string, number>();
  let requests = 0;
  const server = createServer(async (request, response) => {
    const number = requests++;
    const events = await readEvents(request);
    const answers: TestAnswer[] = [];
    const failedKeys = new Set<string>();
    for (const event of events) {
      const key = event.extensions["partitionkey"] ?? "";
      const before = earlier.get(event.id) ?? 0;
      earlier.set(event.id, before + 1);
      const said = ordered && failedKeys.has(key) ? 425 : await answering(event.id, before);
      const answer = typeof said === "number" ? { status: said } : said;
      if (answer.status >= 300 && answer.status !== 422) failedKeys.add(key);
      answers.push(answer);
    }
    const answer = answerOf(events, answers);
    for (const [index, event] of events.entries()) {
      const status = answer.isWhole ? answer.status : (answers[index]?.status ?? 0);
      const key = event.extensions["partitionkey"] ?? "";
      pushes.push({ eventId: event.id, key, status, request: number, event });
    }
    response.writeHead(answer.status, answer.headers).end(answer.body);
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

async function readEvents(request: IncomingMessage): Promise<readonly CloudEvent[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return decodeCloudEvents(request.headers as IncomingHttpHeaders, Buffer.concat(chunks));
}

interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** It says the same of all events. */
  readonly isWhole: boolean;
}

function answerOf(events: readonly CloudEvent[], answers: readonly TestAnswer[]): WholeAnswer {
  const whole = events.length === 1 ? answers[0] : answers.find((answer) => answer.whole);
  if (whole !== undefined) {
    const { status, headers = {}, body } = whole;
    return { status, headers, body, isWhole: true };
  }
  const failures = events.flatMap(({ id }, index) => {
    const status = answers[index]?.status ?? 0;
    return status < 300 ? [] : [{ eventId: id, status }];
  });
  const headers = { "content-type": "application/json" };
  return { status: 200, headers, body: formatBatchFailures(failures), isWhole: false };
}
