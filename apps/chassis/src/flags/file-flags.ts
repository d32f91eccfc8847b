import { readFile, stat } from "node:fs/promises";
import { QuartetError } from "../error/quartet-error.ts";
import { maxDocumentLength } from "./flag-set.ts";
import { type FlagSource, unchanged } from "./flag-source.ts";

/**
 * Flags of a file. What is looked at is what the path leads to, each time: a file renamed into its place and the
 * symbolic links of a mounted config map are seen. A file that is not there is an error, not "no flags".
 */
export function fileFlags(path: string): FlagSource {
  let seen: string | undefined;
  return {
    name: `file ${path}`,
    read: async (signal) => {
      // Before the file: one that changes meanwhile is read again at the next look.
      const found = await stat(path, { bigint: true });
      const { dev, ino, size, mtimeNs, ctimeNs } = found;
      // A pipe would be waited for.
      if (!found.isFile() || size > maxDocumentLength * 4) throw noDocument(path);
      const now = [dev, ino, size, mtimeNs, ctimeNs].join(" ");
      if (now === seen) return unchanged;
      const document = await readFile(path, { encoding: "utf8", signal });
      seen = now;
      return { changed: true, document };
    },
  };
}

function noDocument(path: string): QuartetError {
  return new QuartetError("invalid_argument", `${path} is no file, or larger than flag definitions may be.`);
}
