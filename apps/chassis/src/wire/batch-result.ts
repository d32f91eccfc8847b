import { essence } from "./cloud-event/media-type.ts";

/** One event of a batch that its receiver could not take. */
export interface BatchItemFailure {
  readonly eventId: string;
  /** The HTTP status that the event would have had if it had come alone. */
  readonly status: number;
  readonly retryAfterSeconds?: number | undefined;
  /** What was wrong, for people. */
  readonly detail?: string | undefined;
}

export const batchFailuresType = "application/json";

const longestDetail = 256;
const statusByDefault = 500;

/**
 * The body of a 2xx that takes a batch but for these events: the shape of AWS Lambda's partial batch responses, with
 * status, pause and reason added. Details are cut at 256 characters, so that a thousand failures stay within what a relay
 * reads of an answer.
 */
export function formatBatchFailures(failures: readonly BatchItemFailure[]): string {
  const batchItemFailures = failures.map(({ eventId, status, retryAfterSeconds, detail }) => ({
    itemIdentifier: eventId,
    status,
    retryAfterSeconds,
    detail: detail?.slice(0, longestDetail).toWellFormed(),
  }));
  return JSON.stringify({ batchItemFailures });
}

/**
 * The failures that the body of a 2xx names. A status that is none counts as 500, a pause or detail that is none as
 * absent. A body that is not of this shape names none: whoever says 2xx and nothing that can be understood has taken all.
 */
export function parseBatchFailures(
  contentType: string | undefined,
  body: Uint8Array,
): readonly BatchItemFailure[] {
  if (!mayCarryBatchFailures(contentType)) return [];
  const items = readMember(parseJson(body), "batchItemFailures");
  return Array.isArray(items) ? items.flatMap(parseFailure) : [];
}

/** Whether an answer's body must be read to know what became of a batch. */
export function mayCarryBatchFailures(contentType: string | undefined): boolean {
  return contentType !== undefined && essence(contentType) === batchFailuresType;
}

function parseFailure(item: unknown): BatchItemFailure[] {
  const eventId = readMember(item, "itemIdentifier");
  if (typeof eventId !== "string") return [];
  const status = readMember(item, "status");
  const seconds = readMember(item, "retryAfterSeconds");
  const detail = readMember(item, "detail");
  return [
    {
      eventId,
      status: isStatus(status) ? status : statusByDefault,
      retryAfterSeconds: typeof seconds === "number" && seconds >= 0 ? seconds : undefined,
      detail: typeof detail === "string" ? detail.slice(0, longestDetail) : undefined,
    },
  ];
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 599;
}

function readMember(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name]; // An object that has the member itself.
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
