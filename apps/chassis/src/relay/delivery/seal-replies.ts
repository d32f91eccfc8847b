import { type DescMessage, fromBinary, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import { deriveReplyId } from "../../outbox/event-id.ts";
import type { OutboxEvent } from "../../outbox/outbox-event.ts";
import { aggregateTypeOf, declaredKeyOf } from "../../schema/event.ts";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import { printStorable } from "../../schema/json/storable-json.ts";
import type { Domain } from "../../service/domain.ts";
import type { CloudEvent } from "../../wire/cloud-event/cloud-event.ts";
import { isTimestamp } from "../../wire/cloud-event/timestamp.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { Publication } from "./settlement.ts";

/** Events of the platform itself, which only the domain's own classes may publish. */
const ownPrefix = "quartet.";
const longestKey = 255;

/**
 * Makes of the events that answered an event what is published: with ids derived from it, so that the same answer given
 * twice is the same events. Each is ordered by its `partitionkey` or `subject`, else by the key that its message declares,
 * else as the event it answers.
 *
 * @param own a class of the domain has answered
 * @throws QuartetError `invalid_argument` or `permission_denied` for one that cannot be published.
 */
export function sealReplies(
  domain: Domain,
  subscription: string,
  own: boolean,
  cause: LogEvent,
  replies: readonly CloudEvent[],
): Publication {
  const events = replies.map((reply, ordinal) => {
    const id = deriveReplyId(cause.eventId, subscription, ordinal);
    return sealReply(domain, own, cause, reply, id);
  });
  return { causeId: cause.eventId, events };
}

function sealReply(
  domain: Domain,
  own: boolean,
  cause: LogEvent,
  reply: CloudEvent,
  id: string,
): OutboxEvent {
  const { type, extensions } = reply;
  const desc = domain.registry.getMessage(type);
  if (desc === undefined) throw unknownType(type);
  if (type.startsWith(ownPrefix) && !own) throw notOurs(type);
  const message = decodeData(desc, reply, domain);
  const key = extensions["partitionkey"] ?? reply.subject ?? declaredKeyOf(desc, message) ?? cause.key;
  if (key.length > longestKey) throw longKey(type);
  return {
    id,
    aggregateType: aggregateTypeOf(desc),
    aggregateId: key,
    type,
    payload: printStorable(encodeJson(desc, message, domain.registry)),
    causationId: cause.eventId,
    correlationId: extensions["correlationid"] ?? cause.correlationId,
    traceparent: extensions["traceparent"] ?? cause.traceparent,
    deliverAfter: readDeliverAfter(reply),
  };
}

/** The extension `quartetdeliverafter`: the event is not delivered before. */
function readDeliverAfter({ type, extensions }: CloudEvent): Date | undefined {
  const text = extensions["quartetdeliverafter"];
  if (text === undefined) return undefined;
  if (isTimestamp(text)) return new Date(text);
  throw new QuartetError("invalid_argument", `The quartetdeliverafter of a replied ${type} is no time.`, {
    field: "quartetdeliverafter",
    fix: "It takes a time as in RFC 3339, such as 2031-05-01T12:00:00Z.",
  });
}

function decodeData(desc: DescMessage, { type, data, dataContentType }: CloudEvent, domain: Domain) {
  try {
    const bytes = data ?? new Uint8Array();
    if (/^application\/(x-)?protobuf\b/i.test(dataContentType ?? "")) {
      return fromBinary(desc, bytes) as MessageShape<DescMessage>;
    }
    const text = bytes.length === 0 ? "{}" : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return decodeStoredJson(desc, JSON.parse(text) as JsonValue, domain.registry);
  } catch (cause) {
    throw new QuartetError("invalid_argument", `The data of a replied ${type} is malformed.`, {
      cause,
      fix: `Answer with ProtoJSON of a ${type}, or its wire format as application/protobuf.`,
    });
  }
}

function unknownType(type: string): QuartetError {
  return new QuartetError(
    "invalid_argument",
    `A replied event is of type ${type}, which this domain lacks.`,
    {
      fix: "Name the full name of a message of the domain as the event's type.",
    },
  );
}

function notOurs(type: string): QuartetError {
  return new QuartetError("permission_denied", `A ${type} is for classes of the domain to publish.`, {
    fix: "Answer with events of the domain's own packages.",
  });
}

function longKey(type: string): QuartetError {
  return new QuartetError("invalid_argument", `The key of a replied ${type} is longer than ${longestKey}.`, {
    field: "partitionkey",
  });
}
