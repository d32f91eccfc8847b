import { existsSync } from "node:fs";
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

export function findPackageLayout(): PackageLayout {
  const source = import.meta.filename.endsWith(".ts");
  const root = dirname(dirname(import.meta.dirname));
  if (source) {
    const protobufjs = dirname(createRequire(import.meta.url).resolve("protobufjs/package.json"));
    return {
      root,
      source,
      protoRoots: [
        { root: join(root, "..", "..", "proto"), only: ["quartet"] },
        { root: protobufjs, only: ["google/api"] },
      ],
      plugin: join(import.meta.dirname, "protoc-gen-quartet.ts"),
    };
  }
  const proto = join(root, "dist", "proto");
  return {
    root,
    source,
    protoRoots: existsSync(proto) ? [{ root: proto, only: ["quartet", "google/api"] }] : [],
    plugin: join(import.meta.dirname, "protoc-gen-quartet.js"),
  };
}
