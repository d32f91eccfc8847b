import type { Command } from "commander";
import { examineDeployment } from "../../relay/doctor/examine-deployment.ts";
import type { Finding } from "../../relay/doctor/finding.ts";
import { loadDomain } from "../load-domain.ts";
import { projectOf } from "../project-option.ts";
import { operatorEnvironment } from "./operator-environment.ts";

const description = `examine a deployment: servers, slots and WAL they hold, outboxes, log, relays, subscriptions, dead letters. Only reads.

Exit codes: 0 all is well or worth a look, 1 events do not flow or are at risk, 2 the examination could not be made before
somebody mends what is said.`;

const marks = { ok: "ok     ", warning: "look   ", failure: "FAILURE" } as const;

/** `doctor`. */
export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .description(description)
    .option("--json", "print one JSON line a finding")
    .action(async (options: { json?: boolean }) => {
      const environment = await operatorEnvironment(program);
      const domain = await loadDomain(projectOf(program));
      const findings = await examineDeployment(domain.name, environment);
      for (const finding of findings)
        console.log(options.json ? JSON.stringify(finding) : formatFinding(finding));
      if (findings.some(({ level }) => level === "failure")) process.exitCode = 1;
    });
}

function formatFinding({ level, part, what, fix }: Finding): string {
  const line = `${marks[level]} ${part}: ${what}`;
  return fix === undefined ? line : `${line}\n          ${fix}`;
}
