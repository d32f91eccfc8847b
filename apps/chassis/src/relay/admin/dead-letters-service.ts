import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { DeadLetters, DeadLetterFilter as FilterMessage } from "../../gen/quartet/v1/relay_admin_pb.ts";
import {
  type DeadLetterFilter,
  type DeadLetterSelection,
  discardDeadLetters,
  listDeadLetters,
  readDeadLetter,
} from "../delivery/dead-letters.ts";
import { redriveDeadLetters } from "../delivery/redrive-dead-letters.ts";
import type { AdminHandlers } from "./admin-service.ts";

export type DeadLettersHandlers = AdminHandlers<typeof DeadLetters>;

const defaultLimit = 1_000;

/** The service `quartet.v1.DeadLetters`. */
export function createDeadLettersService(pool: Pool): DeadLettersHandlers {
  return {
    listDeadLetters: async ({ filter, pageSize, pageToken }) => {
      const page = await listDeadLetters(pool, toFilter(filter), { pageSize, pageToken });
      return { deadLetters: page.messages, nextPageToken: page.nextPageToken };
    },
    getDeadLetter: ({ deadLetterId }) => readDeadLetter(pool, deadLetterId),
    redriveDeadLetters: async ({ deadLetterIds, filter, rate, limit }, signal) => {
      const options = { ratePerSecond: readRate(rate), limit: readLimit(limit), signal };
      const redriven = await redriveDeadLetters(pool, toSelection(deadLetterIds, filter), options);
      return { redriven: BigInt(redriven) };
    },
    discardDeadLetters: async ({ deadLetterIds, filter, limit }, signal) => {
      const options = { limit: readLimit(limit), signal };
      const discarded = await discardDeadLetters(pool, toSelection(deadLetterIds, filter), options);
      return { discarded: BigInt(discarded) };
    },
  };
}

function toSelection(ids: readonly string[], filter: FilterMessage | undefined): DeadLetterSelection {
  if (ids.length > 0 && filter !== undefined) {
    throw new QuartetError("invalid_argument", "Dead letters are named, or filtered, not both.", {
      field: "filter",
    });
  }
  return ids.length > 0 ? { ids } : { filter: toFilter(filter) };
}

/** An empty text is one that is not given: no event type and no subscription is empty; nor can a key be asked for that is. */
function toFilter(filter: FilterMessage | undefined): DeadLetterFilter {
  if (filter === undefined) return {};
  const { deadAfter, deadBefore, lastStatus } = filter;
  return {
    subscription: filter.subscription || undefined,
    eventType: filter.eventType || undefined,
    eventKey: filter.eventKey || undefined,
    deadAfter: deadAfter && timestampDate(deadAfter),
    deadBefore: deadBefore && timestampDate(deadBefore),
    lastStatus,
  };
}

function readRate(rate: number): number {
  if (rate >= 0 && Number.isFinite(rate)) return rate;
  throw new QuartetError("invalid_argument", `rate is ${rate}.`, {
    field: "rate",
    fix: "It takes 0 or more.",
  });
}

function readLimit(limit: number): number {
  if (limit >= 0) return limit || defaultLimit;
  throw new QuartetError("invalid_argument", `limit is ${limit}.`, {
    field: "limit",
    fix: "It takes 0 or more.",
  });
}
