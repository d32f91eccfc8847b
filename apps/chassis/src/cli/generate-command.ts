import type { Command } from "commander";
import { generateCode } from "../generate/generate.ts";
import { projectOf } from "./project-option.ts";

export function registerGenerate(program: Command): void {
  program
    .command("generate")
    .description("generate TypeScript from the protos: messages, services, and Kysely types of the pbtables")
    .action(async () => {
      const { changed, generated } = await generateCode(projectOf(program));
      console.log(changed ? `generated ${generated}` : `${generated} is up to date`);
    });
}
