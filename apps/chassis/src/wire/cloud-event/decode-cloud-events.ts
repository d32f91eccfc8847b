import { QuartetError } from "../../error/quartet-error.ts";
import { decodeBinary } from "./binary-mode.ts";
import { decodeBatch, decodeStructured } from "./decode-json.ts";
import type { CloudEvent } from "./event-attributes.ts";
import { type HttpHeaders, readHeader } from "./http-headers.ts";
import { essence, hasOtherCharset } from "./media-type.ts";

/**
 * The events of an HTTP message, whose mode its Content-Type tells (HTTP protocol binding, 3): one in binary and
 * structured mode, any number in a batch. Strict: what is not a valid event is refused, and so is the whole batch.
 * A decoded event's data may share memory with the body.
 *
 * @throws QuartetError `unsupported_media_type` for other CloudEvents formats than JSON, `malformed_body` for what is
 * no JSON object or array, `invalid_argument` with the header, attribute or member as `field` for the rest.
 */
export function decodeCloudEvents(headers: HttpHeaders, body: Uint8Array): readonly CloudEvent[] {
  const contentType = readHeader(headers, "content-type");
  const mode = essence(contentType ?? "");
  if (!mode.startsWith("application/cloudevents")) return [decodeBinary(headers, contentType, body)];
  if (hasOtherCharset(contentType ?? "")) throw unsupported("CloudEvents in JSON are UTF-8.");
  if (mode === "application/cloudevents+json") return [decodeStructured(body)];
  if (mode === "application/cloudevents-batch+json") return decodeBatch(body);
  throw unsupported("Of the CloudEvents formats, only JSON and JSON batches are understood.");
}

function unsupported(message: string): QuartetError {
  return new QuartetError("unsupported_media_type", message, { field: "content-type" });
}
