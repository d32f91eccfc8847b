import type { DescMessage, Registry } from "@bufbuild/protobuf";
import type { RemarkKind } from "./remark.ts";

/** The types that a build knows, and what to say of those it does not. */
export class KnownTypes {
  readonly registry: Registry;
  private readonly packages: ReadonlySet<string>;

  constructor(registry: Registry) {
    this.registry = registry;
    const names = [...registry].flatMap((type) => (type.kind === "message" ? [type.file.proto.package] : []));
    this.packages = new Set(names);
  }

  get(typeName: string): DescMessage | undefined {
    return this.registry.getMessage(typeName);
  }

  /** A type of one of the build's packages was deleted or renamed; any other may be another domain's. */
  remarkOnUnknown(typeName: string): { readonly kind: RemarkKind; readonly detail: string } {
    // Names of messages begin with a capital, names of packages do not (buf lint, PACKAGE_LOWER_SNAKE_CASE).
    const packageName = typeName.replace(/\.[A-Z].*$/, "");
    const kind = this.packages.has(packageName) ? "unknown_type" : "foreign_type";
    return { kind, detail: `${typeName} is no type of this build` };
  }
}
