import { Command } from "commander";
import { unmendedExitCode } from "../cluster/supervised-process.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { registerNamed } from "./commands.ts";

/** Exit codes that scripts can trust: 1 may pass with time; 2 will not before somebody mends what was said. */
const exitCodes = { fault: 1, usage: unmendedExitCode } as const;

/** The `quartet` command. Sets the exit code; never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command("quartet")
    .description(
      "One TypeScript codebase on PostgreSQL, served as crud, micro, nano or lambda by what its login may do.",
    )
    .option("--project <folder>", "folder of the domain (where quartet.config.ts is)", process.cwd())
    .exitOverride((error) => {
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
      throw error;
    });
  await registerNamed(program, argv);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (isCommanderExit(error)) return;
    printError(error);
    process.exitCode = needsMending(error) ? exitCodes.usage : exitCodes.fault;
  }
}

function needsMending(error: unknown): boolean {
  return error instanceof QuartetError && ["failed_precondition", "invalid_argument"].includes(error.code);
}

function isCommanderExit(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
}

function printError(error: unknown): void {
  if (!(error instanceof QuartetError)) {
    console.error(error);
    return;
  }
  console.error(`quartet: ${error.message}`);
  if (error.fix !== undefined) console.error(`\nTo mend it:\n${error.fix}`);
  if (error.code === "internal" && error.cause !== undefined) console.error(error.cause);
}
