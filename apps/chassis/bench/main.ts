import { Command } from "commander";
import { runCommandsSuite } from "./commands/run-commands-suite.ts";
import type { Figure } from "./harness/figure.ts";
import { formatFigures, formatJson } from "./harness/print-figures.ts";
import { runPbtableSuite } from "./pbtable/run-pbtable-suite.ts";
import { runRelaySuite } from "./relay/run-relay-suite.ts";

/** How a suite is run. */
export interface SuiteOptions {
  /** Fewer and shorter rounds: to see that it works, and roughly where it stands. */
  readonly quick: boolean;
  /** Gets progress, a line at a time. */
  readonly log: (line: string) => void;
}

const suites: Readonly<Record<string, (options: SuiteOptions) => Promise<readonly Figure[]>>> = {
  commands: runCommandsSuite,
  pbtable: runPbtableSuite,
  relay: runRelaySuite,
};

const program = new Command("bench")
  .description(
    "Measures Quartet beside what else one would use, in one run, in turns; what counts are ratios.",
  )
  .argument("<suite>", `one of: ${Object.keys(suites).join(", ")}`)
  .option("--quick", "fewer and shorter rounds")
  .option("--json", "end with one line of JSON")
  .action(async (name: string, options: { quick?: boolean; json?: boolean }) => {
    const suite = suites[name];
    if (suite === undefined) {
      return program.error(`There is no suite "${name}". There are: ${Object.keys(suites).join(", ")}.`, {
        exitCode: 2,
      });
    }
    const figures = await suite({ quick: options.quick ?? false, log: (line) => console.error(line) });
    console.log(formatFigures(figures));
    if (options.json) console.log(formatJson(name, figures));
    if (figures.some((figure) => figure.holds === false)) process.exitCode = 1;
  });

await program.parseAsync();
