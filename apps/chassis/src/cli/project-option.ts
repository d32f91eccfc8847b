import { existsSync } from "node:fs";
import type { Command } from "commander";
import { generateCode } from "../generate/generate.ts";
import { findProject, type Project } from "../project/project.ts";
import type { Domain } from "../service/domain.ts";
import { loadDomain } from "./load-domain.ts";

/** The project that `--project` names. */
export function projectOf(program: Command): Project {
  const { project } = program.opts<{ project: string }>();
  return findProject(project);
}

/** The project's domain, with its code generated first where protos are at hand and have changed. */
export async function freshDomain(project: Project): Promise<Domain> {
  if (existsSync(project.protos)) await generateCode(project);
  return loadDomain(project);
}
