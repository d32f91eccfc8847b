import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judgeSchema } from "./judge-schema.ts";
import { canonicalImage, parseSchemaSet } from "./schema-set.ts";
import { openTestProject, type TestProject } from "./test-project.ts";

const proto = (fields: string) => `syntax = "proto3";
package notes.v1;
import "quartet/v1/options.proto";
message Note {
  option (quartet.v1.table) = {name: "notes.note" key: "id"};
  string id = 1;
  ${fields}
}
`;

let project: TestProject;

beforeAll(async () => {
  project = await openTestProject({ "notes/v1/notes.proto": proto("") });
});
afterAll(() => project[Symbol.asyncDispose]());

/** As apply has it: without source info. */
async function imageOf(fields: string): Promise<Uint8Array> {
  await project.write("proto/notes/v1/notes.proto", proto(fields));
  return canonicalImage(parseSchemaSet(await project.image(), "test"));
}

describe("judgeSchema", () => {
  test("takes any schema for newer where none was recorded", async () => {
    expect(await judgeSchema([], await imageOf(""))).toBe("newer");
  });

  test("knows the schema that is recorded last, whatever comments and source info are with it", async () => {
    const recorded = await imageOf("string text = 2;");
    await imageOf("// Words.\nstring text = 2;");
    const withComments = await project.image();
    expect(Buffer.compare(recorded, withComments)).not.toBe(0);
    expect(await judgeSchema([await imageOf(""), recorded], withComments)).toBe("same");
  });

  test("takes an addition for newer", async () => {
    const recorded = [await imageOf(""), await imageOf("string text = 2;")];
    expect(await judgeSchema(recorded, await imageOf("string text = 2; int32 size = 3;"))).toBe("newer");
  });

  test("takes a schema that was recorded before the last one for older", async () => {
    const [first, second] = [await imageOf(""), await imageOf("string text = 2;")];
    expect(await judgeSchema([first, second], first)).toBe("older");
  });

  test("takes a schema that was never recorded, and that the last one follows, for older", async () => {
    const recorded = [await imageOf(""), await imageOf("string text = 2; int32 size = 3;")];
    expect(await judgeSchema(recorded, await imageOf("string text = 2;"))).toBe("older");
  });

  test("refuses two schemas that went apart, with what breaks and what to do instead", async () => {
    const recorded = [await imageOf(""), await imageOf("string text = 2;")];
    await expect(judgeSchema(recorded, await imageOf("int32 size = 2;"))).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        /in \d places\. Nothing was changed\.\n\nnotes\/v1\/notes\.proto: FIELD_SAME_.*\n {4}instead: put /,
      ),
    });
  });

  test("refuses what breaks a schema of long ago that the last one did not", async () => {
    const first = await imageOf("string text = 2;");
    const gone = await imageOf('reserved 2; reserved "text";');
    await expect(judgeSchema([first, gone], await imageOf("int32 size = 2;"))).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        /RESERVED_MESSAGE_NO_DELETE[\s\S]*FIELD_SAME_NAME|FIELD_SAME_NAME[\s\S]*RESERVED/,
      ),
    });
  });

  test("refuses what buf does not see: another name of the table", async () => {
    const recorded = await imageOf("");
    await project.write("proto/notes/v1/notes.proto", proto("").replace("notes.note", "notes.notes"));
    await expect(judgeSchema([recorded], await project.image())).rejects.toThrow(
      /notes\/v1\/notes\.proto:5:\d+: TABLE_SAME_NAME: Table "notes\.note" /,
    );
  });

  test("names a recorded schema that cannot be read", async () => {
    await expect(judgeSchema([new Uint8Array([1, 2])], await imageOf(""))).rejects.toThrow(
      /^Recorded schema 1 is no schema image/,
    );
  });
});
