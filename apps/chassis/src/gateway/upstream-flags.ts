import { serviceClasses } from "../class/service-class.ts";
import { flagsPath } from "../edge/flags-endpoint.ts";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import type { Upstream, UpstreamPool } from "../edge/upstream/upstream-pool.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { FlagAlarm } from "../flags/flag-alarm.ts";
import type { FlagStatus } from "../flags/flag-book.ts";
import { maxDocumentLength } from "../flags/flag-set.ts";
import { type FlagReading, type FlagSource, unchanged } from "../flags/flag-source.ts";
import { isJsonMap } from "../schema/json/json-map.ts";

/** Between two looks of a gateway, in ms: with the second that a class process may be behind, less than two. */
export const gatewayFlagsEveryMs = 500;
const askLimitMs = 700;

/** A class process that may know. */
interface Informant {
  readonly pool: UpstreamPool;
  readonly upstream: Upstream;
}

/**
 * Flags of the class processes, for a gateway, which has no database. It stays with the one that answered last, and asks
 * the next when that is away or has not read its own source yet; the crud class first, which is never behind.
 */
export function upstreamFlags(upstreams: ClassUpstreams): FlagSource {
  let last: Informant | undefined;
  let tag: string | undefined;
  return {
    name: "class processes",
    read: async (signal) => {
      let why = `none answers ${flagsPath}`;
      for (const informant of inOrder(upstreams, last)) {
        const known = informant.upstream === last?.upstream ? tag : undefined;
        const answer = await ask(informant, known, signal).catch(() => undefined);
        if (answer?.reading === undefined) {
          why = answer?.why ?? why;
          continue;
        }
        last = informant;
        if (answer.reading.changed) tag = answer.tag;
        return answer.reading;
      }
      throw new QuartetError("unavailable", `No class process tells its flags: ${why}`);
    },
  };
}

function inOrder(upstreams: ClassUpstreams, last: Informant | undefined): readonly Informant[] {
  const all = serviceClasses.flatMap((name) => {
    const pool = upstreams.of(name);
    return pool.upstreams.map((upstream) => ({ pool, upstream }));
  });
  const now = performance.now();
  const up = all.filter(({ upstream }) => upstream.downUntilMs <= now && upstream !== last?.upstream);
  return last === undefined || last.upstream.downUntilMs > now ? up : [last, ...up];
}

interface Answer {
  /** Undefined when it has not read its own source, or has none. */
  readonly reading: FlagReading | undefined;
  readonly tag?: string | undefined;
  /** What it says is in its way. */
  readonly why?: string | undefined;
}

/** Undefined when it has nothing to say: it is of an older build, or not up. */
async function ask(
  { pool, upstream }: Informant,
  tag: string | undefined,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const answer = await pool.request(upstream, {
    method: "GET",
    path: flagsPath,
    headers: tag === undefined ? {} : { "if-none-match": tag },
    signal: AbortSignal.any([signal, AbortSignal.timeout(askLimitMs)]),
    waits: true,
  });
  if (answer.statusCode !== 200) {
    await answer.body.dump();
    return answer.statusCode === 304 ? { reading: unchanged, tag } : undefined;
  }
  if (Number(answer.headers["content-length"] ?? 0) > maxDocumentLength * 8) {
    await answer.body.dump();
    return undefined;
  }
  const { known, document, alarms } = parseStatus(await answer.body.json());
  const { etag } = answer.headers;
  if (!known) return { reading: undefined, why: alarms[0]?.message };
  return { reading: { changed: true, document, alarms }, tag: typeof etag === "string" ? etag : undefined };
}

/** Of a build that may be older or newer: what is not as it should be is left out. */
function parseStatus(body: unknown): Pick<FlagStatus, "known" | "document" | "alarms"> {
  if (!isJsonMap(body)) return { known: false, document: undefined, alarms: [] };
  const { known, document, alarms } = body;
  return {
    known: known === true,
    document: typeof document === "string" ? document : undefined,
    alarms: Array.isArray(alarms) ? alarms.flatMap(parseAlarm) : [],
  };
}

/** Kinds of a newer build pass as they are: they are for people. */
function parseAlarm(value: unknown): FlagAlarm[] {
  if (!isJsonMap(value)) return [];
  const { kind, flag, message } = value;
  if (typeof kind !== "string" || typeof message !== "string") return [];
  return [{ kind: kind as FlagAlarm["kind"], flag: typeof flag === "string" ? flag : undefined, message }];
}
