import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { lastEdits, newBuildEdits, oldEdits, revisionsSource } from "./fixtures/builds/handlers.ts";
import { newAdditions, oldAdditions, type ProtoAddition, revisionsProto } from "./fixtures/builds/protos.ts";
import { shopFolder } from "./open-cluster.ts";
import { runQuartet } from "./run-quartet.ts";

/** A build of the shop in a folder of its own, with its code generated. */
export interface Build extends AsyncDisposable {
  readonly folder: string;
}

/**
 * The old build is the shop with notes, lines, badges and more; the new one knows more of each, and the last one has
 * deleted and reserved `Order.note`.
 */
export type BuildName = "old" | "new" | "last";

const edits: Readonly<Record<BuildName, string>> = { old: oldEdits, new: newBuildEdits, last: lastEdits };

/** Copies the shop, changes its protos and handlers, and generates its code. */
export async function openBuild(name: BuildName): Promise<Build> {
  // Below the checkout, where Node finds its packages; ignored by git.
  const parent = join(shopFolder, "e2e", ".quartet");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, `build-${name}-`));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    await writeBuild(name, folder);
    await runQuartet(folder, ["generate"]);
    return { folder, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function writeBuild(name: BuildName, folder: string): Promise<void> {
  const protos = join(folder, "proto", "shop");
  await cp(join(shopFolder, "..", "..", "proto", "shop"), protos, { recursive: true });
  await cp(join(shopFolder, "src"), join(folder, "src"), {
    recursive: true,
    filter: (path) => !basename(path).startsWith("gen"),
  });
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(protos, "v1", "revisions.proto"), revisionsProto);
  await writeFile(join(folder, "src", "revisions.ts"), revisionsSource);
  await writeFile(join(folder, "src", "edits.ts"), edits[name]);
  await writeConfig(folder);
  const additions = [...oldAdditions, ...(name === "old" ? [] : newAdditions)];
  for (const addition of additions) await addToProto(folder, addition);
  await changeFile(join(protos, "v1", "orders.proto"), (text) => {
    const imported = replaceOnce(
      text,
      'import "google/protobuf/',
      'import "google/protobuf/any.proto";\nimport "google/protobuf/',
    );
    return name === "last"
      ? replaceOnce(imported, "string note = 30;", 'reserved 30;\n  reserved "note";')
      : imported;
  });
}

async function writeConfig(folder: string): Promise<void> {
  const config = join(folder, "quartet.config.ts");
  await cp(join(shopFolder, "quartet.config.ts"), config);
  const names = "commitOrderRevision, commitProductRevision";
  await changeFile(config, (text) => {
    const listed = replaceOnce(
      replaceOnce(text, "services: [", "services: [revisions, "),
      "writes: [",
      `writes: [${names},`,
    );
    return `import { ${names}, revisions } from "./src/revisions.ts";\n${listed}`;
  });
}

function addToProto(folder: string, { file, block, lines }: ProtoAddition): Promise<void> {
  return changeFile(join(folder, file), (text) => {
    const start = text.indexOf(`${block} {`);
    const end = text.indexOf(`\n${/^ */.exec(block)?.[0] ?? ""}}`, start);
    if (start < 0 || end < 0) throw new Error(`${file} has no ${block}`);
    return `${text.slice(0, end)}\n${lines}${text.slice(end)}`;
  });
}

async function changeFile(path: string, change: (text: string) => string): Promise<void> {
  await writeFile(path, change(await readFile(path, "utf8")));
}

function replaceOnce(text: string, found: string, by: string): string {
  if (!text.includes(found)) throw new Error(`there is no ${found}`);
  return text.replace(found, by);
}
