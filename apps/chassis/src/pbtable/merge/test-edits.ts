import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { localValue } from "../../schema/json/local-value.ts";
import type { TestBuild } from "../../schema/json/test-builds.ts";
import { type LooseMessage, make } from "../../schema/test-schema.ts";

let texts = 0;

/** A message under edit by a build, and the model of it: the same message of a build that knows everything. */
export interface Twins {
  readonly desc: DescMessage;
  readonly draft: LooseMessage;
  readonly modelDesc: DescMessage;
  readonly model: LooseMessage;
}

/** Edits drafts at random, and models the same way: only through what the drafts show. */
export class Editor {
  readonly #build: TestBuild;
  readonly #modelBuild: TestBuild;
  readonly #next: () => number;
  readonly #touched = new WeakMap<object, Set<string>>();

  /** @param next gives random whole numbers, 0 or more */
  constructor(build: TestBuild, modelBuild: TestBuild, next: () => number) {
    this.#build = build;
    this.#modelBuild = modelBuild;
    this.#next = next;
  }

  /** One edit, somewhere in the message. */
  edit(twins: Twins): void {
    const field = this.#pick(twins.desc.fields.filter(({ name }) => name !== "id"));
    const modelField = twins.modelDesc.fields.find(({ number }) => number === field.number);
    if (modelField === undefined) throw new Error(`the model has no ${field.name}`);
    if (field.fieldKind === "list" && field.message === undefined) this.#editEnums(field, twins);
    else if (field.fieldKind === "list") this.#editList(field, modelField, twins);
    else if (field.fieldKind === "map") this.#editMap(field, modelField, twins);
    else if (this.#isTouched(twins.draft, field.oneof?.localName ?? field.localName)) return;
    else if (field.message?.typeName === "google.protobuf.Any") this.#editAny(field, modelField, twins);
    else if (field.fieldKind === "message") this.#editMessage(field, modelField, twins);
    else this.#editScalar(field, modelField, twins);
  }

  /** What changes twice in one update and ends as it began is no change; the model would not know. */
  #isTouched(owner: object, name: string): boolean {
    return this.#touched.get(owner)?.has(name) ?? false;
  }

  #touch(owner: object, name: string): void {
    this.#touched.set(owner, (this.#touched.get(owner) ?? new Set()).add(name));
  }

  #editScalar(field: DescField, modelField: DescField, { draft, model }: Twins): void {
    const value = this.#value(field);
    const clears =
      this.#chance(4) && (field.proto.proto3Optional || (field.oneof !== undefined && this.#mayClear(field)));
    // An enum value that it does not know shows as 0: nobody changes what shows as he wants it.
    const same = clears
      ? !isShown(field, draft)
      : isShown(field, draft) && localValue(field, draft) === value;
    if (same) return;
    this.#touch(draft, field.oneof?.localName ?? field.localName);
    if (clears) {
      clear(draft, field);
      clear(model, modelField);
    } else {
      assign(draft, field, value);
      assign(model, modelField, value);
    }
  }

  #editMessage(field: DescField, modelField: DescField, { draft, model }: Twins): void {
    const [desc, modelDesc] = [messageOf(field), messageOf(modelField)];
    const shown = localValue(field, draft) as LooseMessage | undefined;
    if (shown !== undefined && !(this.#chance(4) && this.#mayClear(field))) {
      this.edit({ desc, draft: shown, modelDesc, model: localValue(modelField, model) as LooseMessage });
      return;
    }
    this.#touch(draft, field.oneof?.localName ?? field.localName);
    if (shown === undefined) {
      const [one, other] = this.#twins(desc, modelDesc);
      assign(draft, field, one);
      assign(model, modelField, other);
    } else {
      clear(draft, field);
      clear(model, modelField);
    }
  }

  /**
   * A build that set its member of a oneof over one that it did not know, and clears it again, leaves the one it did not
   * know: to it that is what was there. The model has forgotten it by then.
   */
  #mayClear(field: DescField): boolean {
    return this.#build === this.#modelBuild || (field.oneof === undefined && field.fieldKind === "message");
  }

  #editAny(field: DescField, modelField: DescField, { draft, model }: Pick<Twins, "draft" | "model">): void {
    const [desc, modelDesc] = [this.#build.message("Child"), this.#modelBuild.message("Child")];
    const [shown, other] = [localValue(field, draft), localValue(modelField, model)] as (Any | undefined)[];
    const content = shown && (anyUnpack(shown, desc) as LooseMessage | undefined);
    if (shown !== undefined && other !== undefined && content !== undefined) {
      // Elements inside an Any cannot be followed: with one edit at a time their places tell which they are.
      this.#touch(draft, field.localName);
      const modelContent = anyUnpack(other, modelDesc) as LooseMessage;
      this.edit({ desc, draft: content, modelDesc, model: modelContent });
      anyPack(desc, content, shown);
      anyPack(modelDesc, modelContent, other);
      return;
    }
    const extra = this.#chance(2) ? this.#build.registry.getMessage("shop.v1.Extra") : undefined;
    if (extra !== undefined) {
      const value = make(extra, { note: this.#text() });
      assign(draft, field, anyPack(extra, value));
      assign(model, modelField, anyPack(extra, value));
    } else {
      const [one, two] = this.#twins(desc, modelDesc);
      assign(draft, field, anyPack(desc, one));
      assign(model, modelField, anyPack(modelDesc, two));
    }
  }

  #editList(field: DescField, modelField: DescField, { draft, model }: Twins): void {
    const [list, other] = [draft[field.localName], model[modelField.localName]] as LooseMessage[][];
    const [desc, modelDesc] = [messageOf(field), messageOf(modelField)];
    if (list === undefined || other === undefined) throw new Error("a list is always there");
    const index = this.#below(list.length);
    const [one, two] = [list[index], other[index]];
    const what = this.#below(5);
    if (one === undefined || two === undefined || what === 0) {
      const [added, same] = this.#twins(desc, modelDesc);
      list.splice(index, 0, added);
      other.splice(index, 0, same);
    } else if (what === 1) {
      list.splice(index, 1);
      other.splice(index, 1);
    } else if (what === 2) {
      const to = this.#below(list.length);
      list.splice(to, 0, ...list.splice(index, 1));
      other.splice(to, 0, ...other.splice(index, 1));
    } else this.edit({ desc, draft: one, modelDesc, model: two });
  }

  /** Enum lists: the model's order among the names that this build does not know is not told by anybody. */
  #editEnums(field: DescField, { draft, model }: Twins): void {
    const [list, other] = [draft[field.localName], model[field.localName]] as number[][];
    const [first] = list ?? [];
    if (first !== undefined && this.#chance(3)) {
      list?.shift();
      other?.splice(other.indexOf(first), 1);
    } else {
      const value = this.#value(field) as number;
      list?.push(value);
      other?.push(value);
    }
  }

  #editMap(field: DescField, modelField: DescField, { draft, model }: Twins): void {
    const [map, other] = [draft[field.localName], model[modelField.localName]] as Record<string, unknown>[];
    if (map === undefined || other === undefined) throw new Error("a map is always there");
    const key = this.#pick(["a", "b", "c"]);
    if (this.#isTouched(map, key)) return;
    if (field.message === undefined || !(key in map)) this.#touch(map, key);
    if (key in map && this.#chance(3)) {
      this.#touch(map, key);
      delete map[key];
      delete other[key];
    } else if (field.message === undefined) {
      const value = this.#value(field);
      if (map[key] !== value) other[key] = value;
      map[key] = value;
    } else if (key in map) {
      const [one, two] = [map[key], other[key]] as LooseMessage[];
      if (one === undefined || two === undefined) return;
      this.edit({ desc: messageOf(field), draft: one, modelDesc: messageOf(modelField), model: two });
    } else [map[key], other[key]] = this.#twins(messageOf(field), messageOf(modelField));
  }

  #twins(desc: DescMessage, modelDesc: DescMessage): [LooseMessage, LooseMessage] {
    const init = { text: this.#text() };
    return [make(desc, init), make(modelDesc, init)];
  }

  #value(field: DescField): unknown {
    if (field.enum !== undefined) return this.#pick(field.enum.values).number;
    return field.scalar === 5 ? this.#next() % 100 : this.#text();
  }

  /** Never the same twice: elements that resemble each other may be taken for one another. */
  #text(): string {
    return `t${++texts}`;
  }

  #pick<T>(values: readonly T[]): T {
    const value = values[this.#below(values.length)];
    if (value === undefined) throw new Error("there is nothing to pick");
    return value;
  }

  #below(count: number): number {
    return this.#next() % Math.max(1, count);
  }

  /** True once in so many times. */
  #chance(times: number): boolean {
    return this.#next() % times === 0;
  }
}

function isShown(field: DescField, message: Message): boolean {
  const present = field.oneof !== undefined || Object.hasOwn(message, field.localName);
  return present && localValue(field, message) !== undefined;
}

function assign(message: LooseMessage, field: DescField, value: unknown): void {
  if (field.oneof === undefined) message[field.localName] = value;
  else message[field.oneof.localName] = { case: field.localName, value };
}

function clear(message: LooseMessage, field: DescField): void {
  if (field.oneof === undefined) delete message[field.localName];
  else message[field.oneof.localName] = { case: undefined };
}

function messageOf(field: DescField): DescMessage {
  if (field.message === undefined) throw new Error(`${field.name} is no message`);
  return field.message;
}
