import { request } from "undici";

/** What clients are to do. */
export interface ReaderSettings {
  readonly seed: number;
  readonly clients: number;
  readonly keys: number;
  /** Aborts when they are to stop. */
  readonly signal: AbortSignal;
}

/** What they saw; grows while they run. */
export interface ReaderReport {
  /** Reads of less than the same client had seen or written before. */
  readonly violations: readonly string[];
  /** Reads by the process that answered. */
  readonly answeredBy: ReadonlyMap<string, number>;
}

/**
 * Clients that raise and read numbers at random, each one thing after the other, and send back each place they are told.
 * `done` resolves when they have stopped.
 */
export function runReaders(
  door: string,
  settings: ReaderSettings,
): { readonly report: ReaderReport; readonly done: Promise<void> } {
  const violations: string[] = [];
  const answeredBy = new Map<string, number>();
  const clients = Array.from({ length: settings.clients }, (_, index) =>
    runClient(door, settings, index, violations, answeredBy),
  );
  return { report: { violations, answeredBy }, done: Promise.all(clients).then(() => undefined) };
}

async function runClient(
  door: string,
  { seed, keys, signal }: ReaderSettings,
  index: number,
  violations: string[],
  answeredBy: Map<string, number>,
): Promise<void> {
  const random = seededRandom(seed * 1_000 + index);
  const floors = new Map<string, number>();
  let position: string | undefined;
  while (!signal.aborted) {
    const key = `k${1 + Math.floor(random() * keys)}`;
    // Without a position a client has no promise to be held to.
    const method = position === undefined || random() < 0.2 ? "POST" : "GET";
    const headers = position === undefined ? {} : { "quartet-position": position };
    const answer = await request(`${door}/${key}`, { method, headers });
    const text = await answer.body.text();
    // It is not known whether a write that failed has been done.
    if (method === "GET" && Math.random() < 0.03) if (answer.statusCode !== 200) continue;
    const [seen, floor] = [Number(text), floors.get(key) ?? 0];
    const by = String(answer.headers["quartet-class"]);
    if (method === "GET") answeredBy.set(by, (answeredBy.get(by) ?? 0) + 1);
    if (seen < floor)
      violations.push(`client ${index}: ${key} was ${floor}, ${by} says ${seen} at ${position}`);
    floors.set(key, Math.max(seen, floor));
    position = String(answer.headers["quartet-position"]);
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
