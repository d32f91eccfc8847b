import type { IncomingHttpHeaders } from "node:http";
import { type Dispatcher, request } from "undici";

/** A request to a process of the cluster. */
export interface SentRequest {
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, instead of `json`. */
  readonly body?: string | Buffer;
  /** Longest wait for the answer. */
  readonly limitMs?: number;
}

/** Its answer, read to the end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body parsed; undefined when it is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape.
  readonly json: any;
}

/** Sends one request and reads its answer. Never sends it again. */
export async function send(verb: string, url: string, sent: SentRequest = {}): Promise<Answer> {
  const body = sent.body ?? (sent.json === undefined ? undefined : JSON.stringify(sent.json));
  const answer = await request(url, {
    method: verb as Dispatcher.HttpMethod,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...sent.headers },
    body: body ?? null,
    signal: AbortSignal.timeout(sent.limitMs ?? 40_000),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
