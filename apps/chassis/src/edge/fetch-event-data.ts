import { request } from "undici";
import { QuartetError } from "../error/quartet-error.ts";

/** Longest data that is fetched. */
const maxBytes = 64 * 1_048_576;
const timeoutMs = 10_000;

/**
 * Fetches an event's data from where `dataref` says (CloudEvents extension "Dataref"). Only for a URL that somebody
 * trusted has signed: it may lead anywhere.
 *
 * @throws QuartetError `unprocessable_event` for what is no http(s) URL; `unavailable` when the data do not come, or are
 * longer than 64 MiB: a relay that serves them may be on its way up.
 */
export async function fetchEventData(url: string, signal: AbortSignal): Promise<Uint8Array> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new QuartetError("unprocessable_event", "The event's dataref is no http(s) URL.", {
      field: "dataref",
    });
  }
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await request(url, { signal: limit, headers: { accept: "application/json" } });
    if (answer.statusCode !== 200) {
      await answer.body.dump({ limit: 1_024, signal: limit });
      throw new Error(`it was answered ${answer.statusCode}`);
    }
    return await readAll(answer.body);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuartetError("unavailable", `The event's data could not be fetched: ${reason}.`, {
      cause,
      field: "dataref",
      retryAfterSeconds: 1,
    });
  }
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`they are longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
