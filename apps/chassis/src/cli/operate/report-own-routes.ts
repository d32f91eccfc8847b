import type { Command } from "commander";
import { fileFlags } from "../../flags/file-flags.ts";
import { FlagBook } from "../../flags/flag-book.ts";
import { tableFlags } from "../../flags/table-flags.ts";
import { createRoutes } from "../../gateway/routes.ts";
import { type RouteReport, reportRoutes } from "../../gateway/routes-endpoint.ts";
import type { Environment } from "../environment.ts";
import { loadDomain } from "../load-domain.ts";
import { projectOf } from "../project-option.ts";
import { openFlagsPool } from "./open-flags-pool.ts";

const lookLimitMs = 10_000;

/** Where a gateway with this environment would send a principal's requests. A source it cannot read is an alarm. */
export async function reportOwnRoutes(
  program: Command,
  environment: Environment,
  principal: string,
): Promise<RouteReport> {
  const { flagsFile, databaseUrl, exceptions } = environment;
  const domain = await loadDomain(projectOf(program));
  await using stack = new AsyncDisposableStack();
  const table = () => {
    if (databaseUrl === undefined) return undefined;
    const pool = openFlagsPool(databaseUrl);
    stack.defer(() => pool.end());
    return tableFlags(pool);
  };
  const flags = new FlagBook(domain.methods, flagsFile === undefined ? table() : fileFlags(flagsFile));
  await flags.look(AbortSignal.timeout(lookLimitMs));
  return reportRoutes(createRoutes(domain, exceptions, flags), flags, principal);
}
