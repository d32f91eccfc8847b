import type { Command } from "commander";

type Register = (program: Command) => void;

/** Names of commands, and the module that has them. */
interface CommandGroup {
  readonly names: readonly string[];
  readonly load: () => Promise<Register>;
}

const groups: readonly CommandGroup[] = [
  { names: ["init"], load: async () => (await import("./init-command.ts")).registerInit },
  { names: ["dev"], load: async () => (await import("./dev-command.ts")).registerDev },
  {
    names: ["start", "relay", "gateway"],
    load: async () => (await import("./serve-commands.ts")).registerServe,
  },
  { names: ["routes"], load: async () => (await import("./routes-command.ts")).registerRoutes },
  { names: ["flags"], load: async () => (await import("./operate/flags-command.ts")).registerFlags },
  {
    names: ["subscriptions"],
    load: async () => (await import("./operate/subscriptions-command.ts")).registerSubscriptions,
  },
  {
    names: ["dead-letters"],
    load: async () => (await import("./operate/dead-letters-command.ts")).registerDeadLetters,
  },
  {
    names: ["operations"],
    load: async () => (await import("./operate/operations-command.ts")).registerOperations,
  },
  { names: ["sagas"], load: async () => (await import("./operate/sagas-command.ts")).registerSagas },
  { names: ["replay"], load: async () => (await import("./operate/replay-command.ts")).registerReplay },
  { names: ["doctor"], load: async () => (await import("./operate/doctor-command.ts")).registerDoctor },
  { names: ["apply"], load: async () => (await import("./apply-command.ts")).registerApply },
  { names: ["prune"], load: async () => (await import("./prune-command.ts")).registerPrune },
  { names: ["generate"], load: async () => (await import("./generate-command.ts")).registerGenerate },
  { names: ["check"], load: async () => (await import("./check-command.ts")).registerCheck },
];

/**
 * Registers the command that the arguments name; all of them where none is named, as for help. Loading what the others
 * need is most of what a start takes.
 *
 * @param argv as `process.argv`
 */
export async function registerNamed(program: Command, argv: readonly string[]): Promise<void> {
  const name = commandName(argv.slice(2));
  const named = groups.filter(({ names }) => name !== undefined && names.includes(name));
  for (const { load } of named.length > 0 ? named : groups) (await load())(program);
}

/** The first argument that is no option and no option's value. */
function commandName([first, ...rest]: readonly string[]): string | undefined {
  if (first === "--project") return commandName(rest.slice(1));
  return first?.startsWith("-") ? commandName(rest) : first;
}
