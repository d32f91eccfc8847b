import type { Command } from "commander";
import type { Pool } from "pg";
import {
  createDeadLettersService,
  type DeadLettersHandlers,
} from "../../relay/admin/dead-letters-service.ts";
import { createDeliveriesService, type DeliveriesHandlers } from "../../relay/admin/deliveries-service.ts";
import {
  createSubscriptionsService,
  type SubscriptionsHandlers,
} from "../../relay/admin/subscriptions-service.ts";
import { openPostgresLog } from "../../relay/log/postgres-log.ts";
import { declareSubscriptions } from "../../relay/subscription/declare-subscriptions.ts";
import { openPool } from "../../sql/open-pool.ts";
import { loadDomain } from "../load-domain.ts";
import { projectOf } from "../project-option.ts";
import { runUntilStopped } from "../run-until-stopped.ts";
import { explainFault } from "./explain-fault.ts";
import { type OperatorEnvironment, operatorEnvironment } from "./operator-environment.ts";

/** What commands that operate a deployment work with: the same services that the relay serves by HTTP. */
export interface Operator {
  readonly subscriptions: SubscriptionsHandlers;
  readonly deadLetters: DeadLettersHandlers;
  readonly deliveries: DeliveriesHandlers;
}

/** Runs `work` on the events database with the relay's login, until it ends or is stopped. */
export async function openOperator(
  program: Command,
  work: (operator: Operator, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const environment = await operatorEnvironment(program);
  const pool = openEventsPool(environment);
  try {
    await using log = openPostgresLog({ pool });
    const operator = {
      subscriptions: createSubscriptionsService({
        pool,
        log,
        secrets: environment.secrets,
        reach: { rules: environment.addressRules },
        declaredNames: () => readDeclaredNames(program),
      }),
      deadLetters: createDeadLettersService(pool),
      deliveries: createDeliveriesService({
        pool,
        secrets: environment.secrets,
        domainName: async () => (await loadDomain(projectOf(program))).name,
      }),
    };
    await runUntilStopped((signal) => work(operator, signal));
  } catch (error) {
    throw explainFault(error);
  } finally {
    await pool.end();
  }
}

function openEventsPool({ eventsDatabaseUrl }: OperatorEnvironment): Pool {
  return openPool({
    url: eventsDatabaseUrl,
    applicationName: "quartet operator",
    maxConnections: 2,
    statementTimeoutMs: 30_000,
    onIdleError: () => undefined,
  });
}

async function readDeclaredNames(program: Command): Promise<ReadonlySet<string>> {
  const domain = await loadDomain(projectOf(program));
  return new Set(declareSubscriptions(domain).map(({ name }) => name));
}
