import { dirname } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import { runBuf } from "../project/run-buf.ts";
import { bufRules } from "./buf-rules.ts";
import { fixOf, lintFix } from "./fix-texts.ts";
import type { SchemaFinding } from "./schema-finding.ts";

/** Exit code of a buf that ran well and found something. */
const foundExitCode = 100;

/**
 * What buf lint says.
 *
 * @param image path of an image with source info
 * @param folders top folders of protos to look at
 */
export async function lintImage(
  image: string,
  folders: readonly string[],
): Promise<readonly SchemaFinding[]> {
  const only = folders.flatMap((folder) => ["--path", folder]);
  return (await runChecked(["lint", image, ...only], dirname(image))).map((found) => ({
    ...found,
    fix: lintFix,
  }));
}

/** What buf breaking says about an image after another, imports left out. Paths of images. */
export async function findBreaking(next: string, previous: string): Promise<readonly SchemaFinding[]> {
  const args = ["breaking", next, "--against", previous, "--exclude-imports"];
  const found = await runChecked(args, dirname(next));
  return found.map((finding) => ({ ...finding, fix: fixOf(finding.rule) }));
}

type BareFinding = Omit<SchemaFinding, "fix">;

async function runChecked(args: readonly string[], folder: string): Promise<readonly BareFinding[]> {
  const config = ["--config", JSON.stringify(bufRules), "--error-format", "json"];
  const { exitCode, output } = await runBuf([...args, ...config], folder);
  if (exitCode === 0) return [];
  if (exitCode === foundExitCode) return output.split("\n").filter(isJsonObject).map(readFinding);
  throw new QuartetError("failed_precondition", `buf ${args[0]} did not run to its end:\n${output}`);
}

function isJsonObject(line: string): boolean {
  return line.startsWith("{");
}

/** One line of buf's `--error-format=json`. */
interface BufFinding {
  /** Absent where the file is gone. */
  readonly path?: string;
  readonly start_line?: number;
  readonly start_column?: number;
  readonly type: string;
  readonly message: string;
}

function readFinding(line: string): BareFinding {
  const found = JSON.parse(line) as BufFinding;
  return {
    file: found.path ?? "",
    ...(found.start_line === undefined ? {} : { line: found.start_line }),
    ...(found.start_column === undefined ? {} : { column: found.start_column }),
    rule: found.type,
    message: found.message,
  };
}
