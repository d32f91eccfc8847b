import { createRegistry } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { keptRegistry, NoteSchema, PlainSchema } from "../pbtable/history/test-history.ts";
import { LineSchema } from "../schema/test-schema.ts";
import { defineDomain } from "./domain.ts";
import { onChange } from "./on-change.ts";

const define = (message: typeof NoteSchema, schema = keptRegistry) =>
  defineDomain({
    name: "kept",
    schema,
    services: [],
    writes: [],
    reactions: [onChange(message, "watch", async () => undefined)],
  });

test("a domain takes a reaction to changes of a table that publishes them", () => {
  expect(define(NoteSchema).reactions.get("watch")?.eventType).toBe("kept.v1.Note.changed");
});

test.each([
  [
    "a table that publishes none",
    PlainSchema,
    keptRegistry,
    "kept.v1.Plain is a table that publishes no changes",
  ],
  ["what is no table", LineSchema, keptRegistry, "test.v1.Line is no table"],
  ["a table of another domain", NoteSchema, createRegistry(), "kept.v1.Note is not in the domain's schema"],
])("a domain refuses a reaction to changes of %s, and says what mends it", (_, message, schema, what) => {
  expect(() => define(message, schema)).toThrow(
    expect.objectContaining({
      code: "invalid_argument",
      message: `Reaction "watch": ${what}.`,
      fix: expect.stringContaining("publish: true"),
    }),
  );
});
