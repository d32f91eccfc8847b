import { glob, readFile } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const apps = fileURLToPath(new URL("../..", import.meta.url));
const publicEntryPoint = /^@quartet\/chassis(\/gen\/.+_pb\.js)?$/;

test("no other app imports anything of the chassis but its public entry points", async () => {
  const imports: { file: string; specifier: string }[] = [];
  const sources = glob("*/**/*.{ts,js}", {
    cwd: apps,
    exclude: (path) => /(^|[\\/])(node_modules|dist|\.quartet)$|^chassis$/.test(path),
  });
  for await (const file of sources) {
    const text = await readFile(resolve(apps, file), "utf8");
    for (const [, specifier = ""] of text.matchAll(/(?:\bfrom|\bimport\(|^import) *"([^"]+)"/gm)) {
      imports.push({ file, specifier });
    }
  }
  const ofChassis = imports.filter(({ specifier }) => specifier.startsWith("@quartet/chassis"));
  expect(ofChassis).not.toEqual([]);
  expect(ofChassis.filter(({ specifier }) => !publicEntryPoint.test(specifier))).toEqual([]);
  expect(imports.filter(({ file, specifier }) => leavesApp(file, specifier))).toEqual([]);
});

function leavesApp(file: string, specifier: string): boolean {
  if (!specifier.startsWith(".")) return false;
  const target = relative(apps, resolve(apps, dirname(file), specifier));
  return target.split(sep)[0] !== file.split(sep)[0];
}
