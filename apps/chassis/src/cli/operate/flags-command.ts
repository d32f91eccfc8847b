import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { rootReason } from "../../error/root-reason.ts";
import { describeAlarm } from "../../flags/flag-alarm.ts";
import { readFlagDocument, writeFlagDocument } from "../../flags/flag-documents.ts";
import { readFlagSet } from "../../flags/flag-set.ts";
import { FlagDocumentSchema } from "../../gen/quartet/v1/flags_pb.ts";
import { loadDomain } from "../load-domain.ts";
import { projectOf } from "../project-option.ts";
import { messageJson } from "./print-rows.ts";
import { withMain } from "./with-main.ts";

const description = `flags that choose commands' modes and queries' consistency: flagd definitions in the main database

Needs DATABASE_URL, of a crud login or of the database's owner; without it, the local cluster's. Processes with a file of
their own (QUARTET_FLAGS) do not read these.`;

/** `flags show|set|clear`. */
export function registerFlags(program: Command): void {
  const group = program.command("flags").description(description);
  group
    .command("show")
    .description("print the definitions")
    .option("--json", "print one JSON object: the definitions as text, who wrote them, and when")
    .action((options: { json?: boolean }) =>
      withMain(program, async (pool) => showFlags(pool, options.json === true)),
    );
  withAuthor(group.command("set"))
    .description("replace the definitions by those of a file, once they are found right")
    .argument("<file>")
    .option("--force", "although flags in it fit no method of this build, which leaves those out")
    .action((file: string, options: Writing & { force?: boolean }) => setFlags(program, file, options));
  withAuthor(group.command("clear"))
    .description("take the definitions away: the protos decide")
    .action((options: Writing) =>
      withMain(program, async (pool) => {
        await writeFlagDocument(pool, "", options.author);
        console.log("no flags: the protos decide");
      }),
    );
}

interface Writing {
  readonly author: string;
}

function withAuthor(command: Command): Command {
  return command.option("--author <name>", "who it is that writes them", userInfo().username);
}

async function showFlags(pool: Pool, json: boolean): Promise<void> {
  const row = await readFlagDocument(pool);
  if (row === undefined || (row.document === "" && !json)) {
    console.log(json ? "null" : "no flags: the protos decide");
    return;
  }
  if (json) {
    console.log(JSON.stringify(messageJson(FlagDocumentSchema, row)));
    return;
  }
  const when = row.updateTime === undefined ? "" : timestampDate(row.updateTime).toISOString();
  console.error(`written by ${JSON.stringify(row.author)} ${when}`);
  console.log(row.document.trimEnd());
}

async function setFlags(
  program: Command,
  file: string,
  options: Writing & { force?: boolean },
): Promise<void> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new QuartetError("invalid_argument", `${file} cannot be read: ${rootReason(cause)}.`, { cause });
  });
  const { methods } = await loadDomain(projectOf(program));
  const { keys, alarms } = await readFlagSet(text, methods);
  if (alarms.length > 0 && !options.force) {
    const lines = alarms.slice(0, 20).map((alarm) => `  ${describeAlarm(alarm)}`);
    throw new QuartetError("invalid_argument", `Flags in ${file} fit no method:\n${lines.join("\n")}`, {
      fix: "Mend them; or --force, when another build that is deployed has such methods.",
    });
  }
  await withMain(program, (pool) => writeFlagDocument(pool, text, options.author));
  console.log(`${keys.length} flag${keys.length === 1 ? "" : "s"} set`);
}
