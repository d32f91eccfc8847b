import { createRegistry } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { keptRegistry } from "../../pbtable/history/test-history.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { checkEvent } from "./check-event.ts";
import { KnownTypes } from "./known-types.ts";

const change = (row: object) =>
  JSON.stringify({
    table: "kept.notes",
    after: { "@type": "type.googleapis.com/kept.v1.Note", ...row },
    ...{ version: "1", changeTime: "2026-01-01T00:00:00Z", login: "x", principal: "", operationId: "" },
  });
const note = { id: "a", text: "", count: "0", tags: [] };

test("an event of a table's changes is checked as a RowChange, with the row in it", () => {
  const types = new KnownTypes(keptRegistry);
  expect(checkEvent("kept.v1.Note.changed", change(note), types)).toEqual([]);
  const [remark] = checkEvent("kept.v1.Note.changed", change({ ...note, count: "many" }), types);
  expect(remark?.path).toContain("count");
});

test("an event of changes of a table that the build does not know is of an unknown type", () => {
  const types = new KnownTypes(createRegistry(systemRegistry));
  expect(checkEvent("kept.v1.Note.changed", change(note), types)).toMatchObject([{ kind: "foreign_type" }]);
});
