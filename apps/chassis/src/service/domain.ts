import type { DescMessage, DescMethod, JsonValue, Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { type HttpVerb, methodName } from "../schema/method.ts";
import { withSystemTypes } from "../schema/system-registry.ts";
import { isTable, type Table, tableOf } from "../schema/table/table.ts";
import { tablesAmong } from "../schema/table/table-set.ts";
import type { Reaction } from "./reaction.ts";
import { checkSaga } from "./saga/check-saga.ts";
import type { Saga } from "./saga/saga.ts";
import { addSagas } from "./saga/saga-parts.ts";
import type { Method, Service } from "./service.ts";
import type { Write } from "./write.ts";

/** What a `quartet.config.ts` exports: all that a domain is made of. */
export interface DomainDefinition {
  /** Short name, such as `shop`: names event sources and local databases. `[a-z][a-z0-9_]*`. */
  readonly name: string;
  /** The generated registry of the domain's messages. */
  readonly schema: Registry;
  readonly services: readonly Service[];
  // biome-ignore lint/suspicious/noExplicitAny: writes differ in their messages; they are looked up by input type name.
  readonly writes: readonly Write<any, any>[];
  readonly reactions?: readonly Reaction[];
  readonly sagas?: readonly Saga[];
  /** Requests that show what the domain does; `quartet dev` prints them as lines to paste. */
  readonly examples?: readonly ExampleRequest[];
}

/** A request to try. */
export interface ExampleRequest {
  readonly verb: HttpVerb;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: JsonValue;
}

/** A checked domain, with its parts by name. */
export interface Domain {
  readonly name: string;
  readonly registry: Registry;
  readonly services: readonly Service[];
  /** By `package.Service/Method`. */
  readonly methods: ReadonlyMap<string, DomainMethod>;
  /** By the full name of the input message. */
  readonly writes: ReadonlyMap<string, Write>;
  readonly reactions: ReadonlyMap<string, Reaction>;
  readonly tables: readonly Table[];
  /** Whether a change of some table is kept or published, with who asked for it. */
  readonly recordsChanges: boolean;
  readonly examples: readonly ExampleRequest[];
}

export interface DomainMethod {
  readonly name: string;
  readonly desc: DescMethod;
  readonly handler: Method;
}

/**
 * Checks a domain as a whole.
 *
 * @throws QuartetError `invalid_argument` for a bad name, two parts that claim one name, messages that are no tables, a
 * reaction to changes that nobody publishes, or a saga that could not be undone or would wait for ever.
 */
export function defineDomain(definition: DomainDefinition): Domain {
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(definition.name)) {
    throw new QuartetError("invalid_argument", `"${definition.name}" is no name for a domain.`, {
      fix: "Use a lower-case letter, then letters, digits and underscores.",
    });
  }
  const registry = withSystemTypes(definition.schema);
  const writes = uniqueBy(definition.writes, (write) => write.input.typeName, "write");
  const sagas = addSagas(checkSagas(definition), writes, registry);
  const reactions = [...checkReactions(definition), ...sagas.reactions];
  const tables = tablesAmong([...definition.schema].filter((type) => type.kind === "message"));
  return {
    name: definition.name,
    registry,
    services: definition.services,
    methods: uniqueBy(definition.services.flatMap(methodsOf), (method) => method.name, "method"),
    writes: uniqueBy([...writes.values(), ...sagas.writes], (write) => write.input.typeName, "write"),
    reactions: uniqueBy(reactions, (reaction) => reaction.name, "reaction"),
    tables,
    recordsChanges: tables.some(({ history, publish }) => history !== undefined || publish),
    examples: definition.examples ?? [],
  };
}

function checkSagas({ sagas = [], schema }: DomainDefinition): ReadonlyMap<string, Saga> {
  for (const saga of sagas) checkSaga(saga, schema);
  return uniqueBy(sagas, (saga) => saga.name, "saga");
}

function checkReactions({ reactions = [], schema }: DomainDefinition): readonly Reaction[] {
  for (const { name, changesOf } of reactions) {
    const what = changesOf === undefined ? undefined : findChangeFault(changesOf, schema);
    if (changesOf === undefined || what === undefined) continue;
    throw new QuartetError("invalid_argument", `Reaction "${name}": ${changesOf.typeName} ${what}.`, {
      fix: `option (quartet.v1.table) = { … publish: true } on ${changesOf.typeName}, in a proto of the domain.`,
    });
  }
  return reactions;
}

/** Changes that are not published reach nobody, and rows of an unknown message cannot be read. */
function findChangeFault(message: DescMessage, schema: Registry): string | undefined {
  if (!isTable(message)) return "is no table";
  if (schema.getMessage(message.typeName) === undefined) return "is not in the domain's schema";
  return tableOf(message).publish ? undefined : "is a table that publishes no changes";
}

function methodsOf(service: Service): DomainMethod[] {
  return service.desc.methods.flatMap((desc) => {
    const handler = service.handlers[desc.localName];
    return handler === undefined ? [] : [{ name: methodName(desc), desc, handler }];
  });
}

function uniqueBy<T>(items: readonly T[], nameOf: (item: T) => string, what: string): Map<string, T> {
  const named = new Map<string, T>();
  for (const item of items) {
    const name = nameOf(item);
    if (named.has(name))
      throw new QuartetError("invalid_argument", `Two of the domain's ${what}s are "${name}".`);
    named.set(name, item);
  }
  return named;
}
