import type { Command } from "commander";
import { formatColumns } from "../cluster/format-columns.ts";
import { principalOf } from "../edge/call-meta.ts";
import { describeAlarm } from "../flags/flag-alarm.ts";
import type { ListedRoute } from "../gateway/routes.ts";
import type { RouteReport } from "../gateway/routes-endpoint.ts";
import { parseEnvironment } from "./environment.ts";
import { askForRoutes } from "./operate/ask-for-routes.ts";
import { findLocalGateway } from "./operate/find-local-gateway.ts";
import { reportOwnRoutes } from "./operate/report-own-routes.ts";
import { projectOf } from "./project-option.ts";

const description = `show every method, where it goes now, and why; and what is wrong with the flags

Asks the gateway of QUARTET_GATEWAY_URL (with QUARTET_ADMIN_TOKEN, where it has one), or of the local cluster while that
runs. Without one, says what a gateway with this environment would do: QUARTET_EXCEPTIONS, and the flags of QUARTET_FLAGS
or of the main database of DATABASE_URL.`;

interface RoutesOptions {
  readonly json?: boolean;
  readonly principal?: string;
  readonly authorization?: string;
}

/** `routes`. */
export function registerRoutes(program: Command): void {
  program
    .command("routes")
    .description(description)
    .option("--json", "print one JSON object: source, routes, alarms")
    .option("--principal <principal>", "whose requests: flags may tell principals apart (anonymous)")
    .option("--authorization <value>", "the principal who sends this Authorization header")
    .action(async (options: RoutesOptions) => {
      const report = await readReport(program, choosePrincipal(options));
      console.log(options.json ? JSON.stringify(report) : formatReport(report));
    });
}

function choosePrincipal({ principal, authorization }: RoutesOptions): string {
  return principal ?? principalOf(authorization);
}

async function readReport(program: Command, principal: string): Promise<RouteReport> {
  const environment = parseEnvironment(process.env);
  const { gatewayUrl, flagsFile, databaseUrl, adminToken } = environment;
  const isOwn = flagsFile !== undefined || databaseUrl !== undefined;
  const url = gatewayUrl ?? (isOwn ? undefined : await findLocalGateway(projectOf(program).stateDir));
  return url === undefined
    ? reportOwnRoutes(program, environment, principal)
    : askForRoutes(url, principal, adminToken);
}

function formatReport({ source, routes, alarms }: RouteReport): string {
  const rows = routes.map((route) => [
    route.name,
    formatGoal(route),
    route.bindings.join(", "),
    route.reason,
  ]);
  const table = formatColumns([["METHOD", "GOES TO", "HTTP", "WHY"], ...rows]);
  const told = alarms.map((alarm) => `ALARM ${describeAlarm(alarm)}`);
  return [table, "", `flags: ${source}`, ...told].join("\n");
}

function formatGoal(route: ListedRoute): string {
  const how = route.mode ?? route.consistency;
  return how === undefined ? route.class : `${route.class} (${how})`;
}
