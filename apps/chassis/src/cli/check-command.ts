import type { Command } from "commander";
import { QuartetError } from "../error/quartet-error.ts";
import { checkSchema, type SchemaReport } from "../gate/check-schema.ts";
import { annotateFindings, annotateNotes, describeFinding } from "../gate/describe-findings.ts";
import { recordSchema } from "../gate/schema-image.ts";
import { generateCode } from "../generate/generate.ts";
import type { Project } from "../project/project.ts";
import { checkStoredData } from "./check-stored-data.ts";
import { parseEnvironment } from "./environment.ts";
import { loadDomain } from "./load-domain.ts";
import { freshDomain, projectOf } from "./project-option.ts";

const formats = ["text", "json", "github"] as const;

type Format = (typeof formats)[number];

interface CheckFlags {
  readonly record?: boolean;
  readonly against?: string;
  readonly allowShallow?: boolean;
  readonly json?: boolean;
  readonly format: string;
  readonly data?: boolean;
  readonly all?: boolean;
  readonly sample?: string;
  readonly seed?: string;
}

const description = `check the schema: buf lint, the domain as a whole, and that nothing breaks which was ever released.

What was released are the schema image (proto/schema.binpb) and all its versions in the git history. With --data,
check instead what the databases hold: rows, outboxes and dead letters are read with this build's schema.

Exit codes: 0 sound, 1 there are findings or a database is away, 2 the check could not be made before somebody mends what is said.`;

/** Told of on stderr from here on: fewer take no time. */
const longHistory = 5;

export function registerCheck(program: Command): void {
  program
    .command("check")
    .description(description)
    .option("--record", "record the schema as released, unless it breaks: commit the image that this writes")
    .option("--against <file>", "compare with this image alone, not with the git history")
    .option("--allow-shallow", "accept a git history that is cut off, and check against what there is")
    .option("--format <format>", "text, json (one array) or github (annotations of a workflow's job)", "text")
    .option("--json", "the same as --format json")
    .option("--data", "check the stored data of DATABASE_URL and EVENTS_DATABASE_URL; reads alone")
    .option("--all", "with --data: every row")
    .option("--sample <rows>", "with --data: about so many rows of each table (default: 10000)")
    .option("--seed <number>", "with --data: the same sample as in a report of before")
    .action(async (flags: CheckFlags) => {
      const project = projectOf(program);
      if (flags.data) {
        const environment = parseEnvironment(process.env, ["DATABASE_URL"]);
        await checkStoredData(await freshDomain(project), environment, flags);
        return;
      }
      await checkProject(project, flags, parseFormat(flags));
    });
}

async function checkProject(project: Project, flags: CheckFlags, format: Format): Promise<void> {
  await generateCode(project);
  await loadDomain(project);
  const { record = false, against, allowShallow = false } = flags;
  const report = await checkSchema(project, {
    ...(against === undefined ? {} : { against }),
    allowShallow,
    mayBeFirst: record,
    onProgress: tellProgress,
  });
  await printReport(project, report, format);
  const breaks = report.findings.some(({ check }) => check === "breaking");
  if (record && !breaks) {
    await recordSchema(project);
    if (format !== "json") console.log(`recorded ${project.image}`);
    return;
  }
  if (record) console.error("nothing was recorded");
  if (report.findings.length > 0) process.exitCode = 1;
}

async function printReport(project: Project, report: SchemaReport, format: Format): Promise<void> {
  const { findings, notes } = report;
  if (format === "json") console.log(JSON.stringify(findings));
  if (format === "github") {
    for (const line of [...annotateNotes(notes), ...(await annotateFindings(project, findings))]) {
      console.log(line);
    }
  } else for (const note of notes) console.error(note);
  if (format === "text") for (const finding of findings) console.error(describeFinding(finding));
  if (format !== "json" && findings.length === 0) {
    console.log(
      `the schema is sound: nothing breaks of ${count(report.releases, "released schema", "released schemas")}`,
    );
  }
  if (format !== "json" && findings.length > 0) console.error(count(findings.length, "finding", "findings"));
}

function parseFormat({ json, format }: CheckFlags): Format {
  if (json) return "json";
  const found = formats.find((known) => known === format);
  if (found !== undefined) return found;
  throw new QuartetError("invalid_argument", `--format ${format} is none of ${formats.join(", ")}.`);
}

function tellProgress(done: number, of: number): void {
  if (of < longHistory) return;
  if (process.stderr.isTTY) process.stderr.write(`\rcompared with ${done} of ${of} released schemas`);
  if (process.stderr.isTTY && done === of) process.stderr.write("\n");
  if (!process.stderr.isTTY && done % 50 === 0)
    console.error(`compared with ${done} of ${of} released schemas`);
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
