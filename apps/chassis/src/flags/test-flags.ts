import { createFileRegistry, type DescService, type FileRegistry } from "@bufbuild/protobuf";
import { methodKind } from "../schema/method.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import { type Domain, type DomainMethod, defineDomain } from "../service/domain.ts";
import type { Method, Service } from "../service/service.ts";

const file = buildTestFile("flagged/v1/flagged", {
  enums: { Status: ["STATUS_UNSPECIFIED"] },
  messages: { Thing: { fields: { id: "string" } } },
  methods: {
    GetThing: { idempotent: true, http: { get: "/v1/things/{id}" } },
    MakeThing: { http: { post: "/v1/things", body: "*" } },
    Weigh: { kind: 3 },
    Later: { mode: 3 },
    ReadAll: { kind: 1, consistency: 3 },
    Browse: { kind: 1, consistency: 1 },
  },
});
const registry: FileRegistry = createFileRegistry(file, (name) =>
  testImports.find((known) => known.proto.name === name),
);

/** A service with a method of each kind, whose handlers answer with nothing. */
export const flagDomain: Domain = defineDomain({
  name: "flagged",
  schema: registry,
  services: [...registry].filter((type) => type.kind === "service").map(serviceOf),
  writes: [],
});

export const makeThing = "flagged.v1.Things/MakeThing";
export const getThing = "flagged.v1.Things/GetThing";
export const weigh = "flagged.v1.Things/Weigh";
export const later = "flagged.v1.Things/Later";

/** A method of {@link flagDomain}. */
export function flagMethod(name: string): DomainMethod {
  const found = flagDomain.methods.get(name);
  if (found === undefined) throw new Error(`${name} is no method of the test service`);
  return found;
}

/** Flag definitions with one flag. */
export function flagOf(key: string, flag: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ flags: { [key]: { state: "ENABLED", ...flag } } });
}

/** Flag definitions in which the default variant of one flag says this. */
export function flagSaying(key: string, value: unknown): string {
  return flagOf(key, { variants: { only: value }, defaultVariant: "only" });
}

function serviceOf(desc: DescService): Service {
  const handlers = desc.methods.map((method) => {
    const handler: Method = { kind: methodKind(method), run: async () => ({}) };
    return [method.localName, handler] as const;
  });
  return { desc, handlers: Object.fromEntries(handlers) };
}
