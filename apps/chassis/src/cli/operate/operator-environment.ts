import type { Command } from "commander";
import { readDevState } from "../../cluster/dev-state.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { type Environment, parseEnvironment } from "../environment.ts";
import { projectOf } from "../project-option.ts";

/** The environment of a command that looks at a deployment through the relay's login. */
export interface OperatorEnvironment extends Environment {
  readonly databaseUrl: string;
  /** The same as `databaseUrl` where there is no dedicated events database. */
  readonly eventsDatabaseUrl: string;
}

/**
 * What the variables say, or, where DATABASE_URL is not set, what `quartet dev` of this project has left about its
 * cluster.
 *
 * @throws QuartetError `invalid_argument` when there is neither, or the variables are not right.
 */
export async function operatorEnvironment(program: Command): Promise<OperatorEnvironment> {
  const variables = process.env["DATABASE_URL"] ? process.env : await localVariables(program);
  const environment = parseEnvironment(variables, ["DATABASE_URL"]);
  const { databaseUrl = "" } = environment;
  return { ...environment, databaseUrl, eventsDatabaseUrl: environment.eventsDatabaseUrl ?? databaseUrl };
}

async function localVariables(program: Command): Promise<NodeJS.ProcessEnv> {
  const { operator } = await readDevState(projectOf(program).stateDir);
  if (operator !== undefined) return { ...process.env, ...operator };
  throw new QuartetError(
    "invalid_argument",
    "DATABASE_URL is missing, and no local cluster was started here.",
    {
      fix:
        "Set DATABASE_URL, and EVENTS_DATABASE_URL where there is one, to those of the relay's login; " +
        "or start the local cluster: quartet dev",
    },
  );
}
