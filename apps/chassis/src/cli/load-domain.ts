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
  const module = (await import(pathToFileURL(project.config).href)) as { readonly default?: unknown };
  if (isDomain(module.default)) return module.default;
  throw new QuartetError("invalid_argument", `${project.config} has no domain as its default export.`, {
    fix: "export default defineDomain({ … });",
  });
}

function isDomain(value: unknown): value is Domain {
  return typeof value === "object" && value !== null && "methods" in value && "registry" in value;
}
