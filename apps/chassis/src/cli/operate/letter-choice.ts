import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import { type DeadLetterFilter, DeadLetterFilterSchema } from "../../gen/quartet/v1/relay_admin_pb.ts";
import { stoppedExitCode } from "../run-until-stopped.ts";

/** Which letters, by what is known of them. */
export interface FilterOptions {
  readonly subscription?: string;
  readonly type?: string;
  readonly key?: string;
  readonly after?: Date;
  readonly before?: Date;
  readonly status?: number;
}

export interface ChoiceOptions extends FilterOptions {
  readonly all?: boolean;
}

/** What one call redrives or discards: progress is told, and a stop heard, after each. */
export const chunkLetters = 500;
/** At a rate: what takes about so long. */
const chunkSeconds = 5;

export function toFilter(options: FilterOptions): DeadLetterFilter {
  const { subscription = "", type = "", key = "", after, before, status } = options;
  return create(DeadLetterFilterSchema, {
    subscription,
    eventType: type,
    eventKey: key,
    ...(after === undefined ? {} : { deadAfter: timestampFromDate(after) }),
    ...(before === undefined ? {} : { deadBefore: timestampFromDate(before) }),
    ...(status === undefined ? {} : { lastStatus: status }),
  });
}

/** What one call is asked for. */
interface LetterChoice {
  readonly deadLetterIds: string[];
  readonly filter?: DeadLetterFilter;
  readonly limit: number;
}

/** Letters of which a call at a rate takes some seconds. */
export function chunkOf(rate: number): number {
  return rate > 0 ? Math.min(chunkLetters, Math.max(1, Math.ceil(rate * chunkSeconds))) : chunkLetters;
}

/**
 * The calls that it takes: one for some of the letters that are named; of a filter one, which is repeated until there is
 * no more. Never all of them by leaving something out; and never one that dies again after it was redriven.
 *
 * @throws QuartetError `invalid_argument` when nothing says which.
 */
export function chooseLetters(
  ids: readonly string[],
  options: ChoiceOptions,
  limit: number,
): readonly LetterChoice[] {
  const { subscription, type, key, after, before, status } = options;
  const filters = [subscription, type, key, after, before, status].some((filter) => filter !== undefined);
  if (ids.length > 0 && (filters || options.all)) {
    throw new QuartetError("invalid_argument", "Dead letters are named, or filtered, not both.", {
      fix: "Leave out the ids, or the filters and --all.",
    });
  }
  if (ids.length === 0 && !filters && !options.all) {
    throw new QuartetError("invalid_argument", "Nothing says which dead letters.", {
      fix: "Name them, filter them (--subscription, --type, --key, --after, --before, --status), or give --all.",
    });
  }
  if (ids.length === 0) {
    return [{ deadLetterIds: [], filter: toFilter({ ...options, before: before ?? new Date() }), limit }];
  }
  const distinct = [...new Set(ids)];
  const starts = Array.from({ length: Math.ceil(distinct.length / limit) }, (_, index) => index * limit);
  return starts.map((from) => ({ deadLetterIds: distinct.slice(from, from + limit), limit }));
}

/**
 * Makes the calls, and repeats that of a filter until it does nothing more; tells how far it is. A call answers as soon as
 * it has done its part: the rate from call to call is kept here. One that was stopped has not ended well.
 */
export async function repeatChoices(
  { what, rate }: { readonly what: string; readonly rate: number },
  choices: readonly LetterChoice[],
  signal: AbortSignal,
  step: (choice: LetterChoice) => Promise<number>,
): Promise<void> {
  const startMs = performance.now();
  let done = 0;
  for (const choice of choices) {
    let count: number;
    do {
      const dueMs = rate > 0 ? startMs + (done / rate) * 1_000 : 0;
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      count = await step(choice);
      done += count;
      if (count === choice.limit) console.error(`${done} ${what}`);
    } while (choice.filter !== undefined && count > 0);
  }
  console.log(`${done} ${what}`);
  if (!signal.aborted) return;
  console.error("stopped before its end");
  process.exitCode = stoppedExitCode;
}
