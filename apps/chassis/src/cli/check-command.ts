import type { Command } from "commander";
import { checkSchema, recordSchema } from "../gate/schema-image.ts";
import { generateCode } from "../generate/generate.ts";
import { loadDomain } from "./load-domain.ts";
import { projectOf } from "./project-option.ts";

export function registerCheck(program: Command): void {
  program
    .command("check")
    .description(
      "check the schema: buf lint, breaking changes against the committed image, and the domain as a whole",
    )
    .option("--record", "record the schema as released: later checks compare with it")
    .option("--json", "print findings as one JSON array")
    .action(async (options: { record?: boolean; json?: boolean }) => {
      const project = projectOf(program);
      await generateCode(project);
      await loadDomain(project);
      if (options.record) {
        await recordSchema(project);
        console.log(`recorded ${project.image}`);
        return;
      }
      const findings = await checkSchema(project);
      if (options.json) console.log(JSON.stringify(findings));
      else for (const { check, output } of findings) console.error(`buf ${check}:\n${output}`);
      if (findings.length > 0) process.exitCode = 1;
      else if (!options.json) console.log("the schema is sound: nothing that was released breaks");
    });
}
