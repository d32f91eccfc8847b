import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Where the chassis finds its own pieces: a checkout runs its TypeScript sources, the published package its build. */
export interface PackageLayout {
  readonly root: string;
  /** True in a checkout, where `.ts` files run as they are. */
  readonly source: boolean;
  /** Folders that hold the protos a domain may import: `quartet/v1` and `google/api`. */
  readonly protoRoots: readonly ProtoRoot[];
  /** The code generator for Kysely types. */
  readonly plugin: string;
}

export interface ProtoRoot {
  readonly root: string;
  /** Paths below the root, without which nothing else of it is taken. */
  readonly only: readonly string[];
}

/** All of Google's that a domain needs for REST bindings. */
const googleProtos = ["google/api/annotations.proto", "google/api/http.proto"];

export function findPackageLayout(): PackageLayout {
  const source = import.meta.filename.endsWith(".ts");
  const root = dirname(dirname(import.meta.dirname));
  if (source) {
    const protobufjs = dirname(createRequire(import.meta.url).resolve("protobufjs/package.json"));
    return {
      root,
      source,
      protoRoots: [
        { root: join(root, "..", "..", "proto"), only: ["quartet/v1"] },
        { root: protobufjs, only: googleProtos },
      ],
      plugin: join(import.meta.dirname, "..", "generate", "protoc-gen-quartet.ts"),
    };
  }
  return {
    root,
    source,
    protoRoots: [{ root: join(root, "dist", "proto"), only: ["quartet/v1", ...googleProtos] }],
    plugin: join(import.meta.dirname, "..", "generate", "protoc-gen-quartet.js"),
  };
}

/** The GitHub workflow that a repository with a domain begins with. */
export function findWorkflow(): string {
  const { root, source } = findPackageLayout();
  return source
    ? join(root, "..", "..", "infra", "github", "quartet.yml")
    : join(root, "dist", "github", "quartet.yml");
}
