import type { Command } from "commander";
import { applySchema } from "../apply/apply-schema.ts";
import { parseEnvironment } from "./environment.ts";
import { freshDomain, projectOf } from "./project-option.ts";

export function registerApply(program: Command): void {
  program
    .command("apply")
    .description(
      "bring the databases to the shape the protos say: additive, idempotent, safe on a live system.\n" +
        "DATABASE_URL and EVENTS_DATABASE_URL are those of an owner.",
    )
    .option("--json", "print each step as one JSON line")
    .action(async (options: { json?: boolean }) => {
      const { databaseUrl, eventsDatabaseUrl } = parseEnvironment(process.env, ["DATABASE_URL"]);
      const domain = await freshDomain(projectOf(program));
      let steps = 0;
      await applySchema(
        domain,
        { databaseUrl: databaseUrl ?? "", eventsDatabaseUrl: eventsDatabaseUrl ?? databaseUrl ?? "" },
        {
          onStep: (database, step) => {
            steps += 1;
            if (options.json) console.log(JSON.stringify({ database, ...step }));
            else console.log(`${database.padEnd(6)} ${step.what}`);
          },
        },
      );
      if (!options.json) console.log(`applied ${steps} steps`);
    });
}
