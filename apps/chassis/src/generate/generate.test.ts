import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestFolder, type TestFolder } from "../cluster/postgres/test-folder.ts";
import { findProject, type Project } from "../project/project.ts";
import { generateCode } from "./generate.ts";

let folder: TestFolder;
let project: Project;

const proto = (body: string) => `syntax = "proto3";
package library.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "quartet/v1/options.proto";
${body}
service Library {
  rpc GetBook(Book) returns (Book) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/books/{isbn}"};
  }
}
`;
const book = (fields: string) => `message Book {
  option (quartet.v1.table) = {name: "library.books" key: "isbn" index: {field: "lent"} history: true};
  string isbn = 1;
  optional int64 pages = 2;
  google.protobuf.Timestamp lent = 3;
  ${fields}
  repeated string tags = 20;
  Room room = 21 [(quartet.v1.column) = {hidden: true path: "name"}];
  message Room {
    string name = 1;
  }
}`;

/** What Kysely is told of the book's table. */
const types = `declare module "@quartet/chassis" {
  interface TableTypes {
    /** library.v1.Book */
    "library.books": PbRow<{
      isbn: string;
      pages: bigint | null;
      lent: Date | null;
      tags: unknown;
      room_name: string | null;
    }>;
    /** library.v1.Book by plain columns, to read and to write. */
    "library.books_view": ViewRow<{
      key: {
        isbn: string;
      };
      plain: {
        pages: bigint | null;
        lent: Date | null;
      };
      json: {
        tags: unknown;
      };
      path: {
        room_name: string | null;
      };
    }>;
    /** Changes of library.v1.Book. */
    "library.books_history": HistoryRow<{
      isbn: string;
    }>;
  }
}
`;

beforeAll(async () => {
  folder = await openTestFolder();
  await mkdir(join(folder.path, "proto/library/v1"), { recursive: true });
  await writeFile(join(folder.path, "quartet.config.ts"), "");
  await writeProto(proto(book("")));
  project = findProject(folder.path);
});
afterAll(() => folder[Symbol.asyncDispose]());

function writeProto(text: string): Promise<void> {
  return writeFile(join(folder.path, "proto/library/v1/library.proto"), text);
}

const generated = (path: string) => readFile(join(project.generated, path), "utf8");

describe("generateCode", () => {
  test("makes messages, the domain's registry and its Kysely types, once", async () => {
    expect(await generateCode(project)).toEqual({ changed: true, generated: project.generated });
    expect((await readdir(project.generated)).sort()).toEqual([".fingerprint", "domain.ts", "library"]);
    const messages = await generated("library/v1/library_pb.ts");
    expect(messages).toContain('from "@quartet/chassis/gen/quartet/v1/options_pb.js"');
    expect(messages).not.toMatch(/^(export )?enum /m);
    const domain = await generated("domain.ts");
    expect(domain).toContain("export const schema = createRegistry(file_library_v1_library);");
    expect(domain.slice(domain.indexOf("declare module"))).toBe(types);
    expect(await generateCode(project)).toEqual({ changed: false, generated: project.generated });
    expect(await generated("domain.ts")).toBe(domain);
  });

  test("makes them again when a proto has changed, and leaves nothing of what went", async () => {
    await writeFile(
      join(folder.path, "proto/library/v1/shelf.proto"),
      'syntax = "proto3";\npackage library.v1;\nmessage Shelf {}\n',
    );
    expect((await generateCode(project)).changed).toBe(true);
    expect(await generated("library/v1/shelf_pb.ts")).toContain("ShelfSchema");
    await writeFile(
      join(folder.path, "proto/library/v1/shelf.proto"),
      'syntax = "proto3";\npackage library.v1;\nmessage Board {}\n',
    );
    expect((await generateCode(project)).changed).toBe(true);
    expect(await generated("library/v1/shelf_pb.ts")).not.toContain("ShelfSchema");
  });

  test("of a proto that does not compile names file and line, and keeps the code there is", async () => {
    const before = await generated("domain.ts");
    await writeProto(proto(book("strin title = 4;")));
    await expect(generateCode(project)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/library\/v1\/library\.proto:11:/),
    });
    expect(await generated("domain.ts")).toBe(before);
    expect(await readdir(join(folder.path, "src"))).toEqual(["gen"]);
    await writeProto(proto(book("")));
    expect((await generateCode(project)).changed).toBe(false);
  });

  test.each(["nowhere", "empty"])("of %s says that there are no protos", async (name) => {
    const protos = join(folder.path, name);
    if (name === "empty") await mkdir(protos);
    await expect(generateCode({ ...project, protos })).rejects.toMatchObject({
      code: "failed_precondition",
      message: `There are no protos in ${protos}.`,
    });
  });
});
