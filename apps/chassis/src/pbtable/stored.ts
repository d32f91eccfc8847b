import type { DescMessage, JsonValue, MessageShape, Registry } from "@bufbuild/protobuf";
import { decodePlain } from "../schema/json/decode-plain.ts";
import { fitJson } from "../schema/json/fit-json.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import { isWhole, reachableMessages } from "../schema/json/reachable.ts";
import { noteVersion } from "./message-version.ts";

const oneofKeys = new WeakMap<DescMessage, readonly (readonly string[])[]>();

/** The keys of the members of every oneof in a message, at any depth, as they stand in a row's text. */
function oneofKeysOf(desc: DescMessage): readonly (readonly string[])[] {
  const known = oneofKeys.get(desc);
  if (known !== undefined) return known;
  const oneofs = [...reachableMessages(desc)].flatMap((message) => (isWhole(message) ? [] : message.oneofs));
  const keys = oneofs
    .filter(({ fields }) => fields.length > 1)
    .map(({ fields }) => fields.map(({ jsonName }) => `${JSON.stringify(jsonName)}: `));
  oneofKeys.set(desc, keys);
  return keys;
}

/**
 * A row as it is stored. It goes to a response as it is: it is ProtoJSON of the message, with every key that other
 * builds wrote, and without those implicit fields that did not exist yet when the row was written.
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

  /**
   * ProtoJSON for a response: the text, unless two builds set a member each of one oneof, which clients refuse. Then
   * without the one that does not count; see {@link fitJson}. Only a text with keys of two members is parsed.
   */
  json(): string {
    const suspect = oneofKeysOf(this.desc).some(
      (keys) => keys.filter((key) => this.text.includes(key)).length > 1,
    );
    if (!suspect) return this.text;
    const json: JsonValue = JSON.parse(this.text);
    const fitted = fitJson(this.desc, json, this.#registry);
    return fitted === json ? this.text : JSON.stringify(fitted);
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
