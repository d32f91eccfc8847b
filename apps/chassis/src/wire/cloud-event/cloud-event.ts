// What other folders use of this one: the CloudEvents 1.0.2 codec for HTTP.
export { encodeBinary } from "./binary-mode.ts";
export { decodeCloudEvents } from "./decode-cloud-events.ts";
export { encodeBatch, encodeStructured } from "./encode-json.ts";
export type { CloudEvent } from "./event-attributes.ts";
