import { watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** What an edit concerns. */
export type Edit = "handlers" | "config" | "protos";

const settleMs = 120;
const ignored =
  /(^|[\\/])(node_modules|\.quartet|dist|gen|gen\.next-[^\\/]*|\.git)([\\/]|$)|\.test\.ts$|~$|\.sw.$/;

/**
 * Watches a project's sources and protos. Edits that come together are told together, once they have settled.
 *
 * @returns what stops the watching
 */
export async function watchSources(
  roots: { readonly project: string; readonly protos: string; readonly config: string },
  onEdit: (edits: ReadonlySet<Edit>, files: readonly string[]) => void,
): Promise<Disposable> {
  const edits = new Set<Edit>();
  const files = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const note = (root: string, name: string | null) => {
    const path = name === null ? root : join(root, name);
    const edit = classify(roots, path);
    if (edit === undefined) return;
    edits.add(edit);
    files.add(relative(roots.project, path));
    clearTimeout(timer);
    timer = setTimeout(() => {
      onEdit(new Set(edits), [...files]);
      edits.clear();
      files.clear();
    }, settleMs);
  };
  const folders = [...new Set([roots.protos, ...(await sourceFolders(roots.project))])];
  const watchers = [
    ...folders.map((root) => watch(root, { recursive: true }, (_event, name) => note(root, name))),
    watch(roots.project, (_event, name) => note(roots.project, name)),
  ];
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** The folders of a project that may hold sources. The project itself is watched too, but not below. */
async function sourceFolders(project: string): Promise<string[]> {
  const entries = await readdir(project, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && !ignored.test(entry.name) && !entry.name.startsWith("."))
    .map((entry) => join(project, entry.name));
}

function classify(
  roots: { readonly protos: string; readonly config: string },
  path: string,
): Edit | undefined {
  if (ignored.test(path)) return undefined;
  if (path.endsWith(".proto")) return "protos";
  if (path === roots.config) return "config";
  return /\.(ts|js|mjs|json)$/.test(path) && !path.startsWith(roots.protos) ? "handlers" : undefined;
}
