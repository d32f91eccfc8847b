import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { IntentSchema, ReadPreconditionSchema } from "../gen/quartet/v1/intent_pb.ts";
import { ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { decodeStoredJson, encodeJson } from "../schema/json/json.ts";
import { systemRegistry } from "../schema/system-registry.ts";
import { encodeIntent, readIntent } from "./intent.ts";

const desc = ProblemSchema;
const event = create(desc, { code: "internal" });

test("an intent carries its events with their keys and the times before which they are not delivered", () => {
  const decision = {
    writes: [],
    events: [
      { desc, event, key: "k", deliverAfter: new Date("2031-05-01T12:00:00.250Z") },
      { desc, event, key: undefined },
    ],
    answer: undefined,
    preconditions: [],
  };
  const stored = encodeJson(IntentSchema, encodeIntent(decision, undefined, systemRegistry), systemRegistry);
  const read = readIntent(decodeStoredJson(IntentSchema, stored, systemRegistry), systemRegistry);
  expect(read.events).toEqual([
    { desc, event, key: "k", deliverAfter: new Date("2031-05-01T12:00:00.250Z") },
    { desc, event, key: undefined, deliverAfter: undefined },
  ]);
});

test("an intent without an operation was accepted when it says", () => {
  const intent = create(IntentSchema, { acceptTime: timestampFromMs(1_000) });
  const read = readIntent(intent, systemRegistry);
  expect([read.head, read.acceptTime]).toEqual([undefined, new Date(1_000)]);
});

test("an intent that rests on a row carries what to decide it again by, and a write that older builds refuse", () => {
  const decision = {
    writes: [{ desc, input: event }],
    events: [],
    answer: undefined,
    preconditions: [create(ReadPreconditionSchema, { table: "t", key: '["a"]', version: 3n, writer: 7 })],
  };
  const head = {
    ...{
      operationId: "o",
      method: "m",
      principal: "p",
      fingerprint: "f",
      acceptTime: new Date(0),
      attempt: 2,
    },
    expectedVersion: undefined,
    request: event,
  };
  const intent = encodeIntent(decision, head, systemRegistry);
  expect(intent).toMatchObject({ attempt: 2, request: { typeUrl: expect.stringContaining(desc.typeName) } });
  expect(intent.writes.map(({ typeUrl }) => typeUrl.split("/").at(-1))).toEqual([
    desc.typeName,
    "quartet.v1.CommandFailed",
  ]);
  const read = readIntent(intent, systemRegistry);
  expect(read.writes).toEqual(decision.writes);
  expect(read.preconditions).toEqual(decision.preconditions);
  const free = encodeIntent({ ...decision, preconditions: [] }, head, systemRegistry);
  expect([free.writes.length, free.request]).toEqual([1, undefined]);
});
