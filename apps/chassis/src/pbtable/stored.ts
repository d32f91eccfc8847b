import type { DescMessage, JsonValue, MessageShape, Registry } from "@bufbuild/protobuf";
import { decodePlain } from "../schema/decode-plain.ts";
import { decodeStoredJson } from "../schema/json.ts";
import { noteVersion } from "./message-version.ts";

/**
 * A row as it is stored. Its text may go to a response as it is: it is ProtoJSON of the message, with every key that
 * other builds wrote, and without those implicit fields that did not exist yet when the row was written.
 */
export class Stored<D extends DescMessage> {
  readonly desc: D;
  /** The JSON text as Postgres gives it. */
  readonly text: string;
  readonly version: bigint;
  readonly #registry: Registry;
  #message: MessageShape<D> | undefined;

  constructor(desc: D, row: { readonly pb: string; readonly version: bigint }, registry: Registry) {
    this.desc = desc;
    this.text = row.pb;
    this.version = row.version;
    this.#registry = registry;
  }

  /** The message, decoded when it is first asked for. */
  message(): MessageShape<D> {
    this.#message ??= noteVersion(this.#decode(JSON.parse(this.text)), this.version);
    return this.#message;
  }

  #decode(json: JsonValue): MessageShape<D> {
    return decodePlain(this.desc, json) ?? decodeStoredJson(this.desc, json, this.#registry);
  }
}
