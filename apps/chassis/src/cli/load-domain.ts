import { pathToFileURL } from "node:url";
import { QuartetError } from "../error/quartet-error.ts";
import type { Project } from "../project/project.ts";
import type { Domain } from "../service/domain.ts";

/**
 * Loads the domain that a project's config exports.
 *
 * @throws QuartetError `invalid_argument` when the config cannot be loaded or exports something else.
 */
export async function loadDomain(project: Project): Promise<Domain> {
  const module = await importConfig(project.config);
  if (isDomain(module.default)) return module.default;
  throw new QuartetError("invalid_argument", `${project.config} has no domain as its default export.`, {
    fix: "export default defineDomain({ … });",
  });
}

/** Code of the domain's own: that it fails is for its author to mend, who needs to see where. */
async function importConfig(path: string): Promise<{ readonly default?: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  } catch (cause) {
    if (cause instanceof QuartetError) throw cause;
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new QuartetError("invalid_argument", `${path} cannot be loaded: ${why}`, { cause });
  }
}

function isDomain(value: unknown): value is Domain {
  return typeof value === "object" && value !== null && "methods" in value && "registry" in value;
}
