import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type RouterOptions, routerDefaults } from "./test-event-router.ts";

const folder = join(import.meta.dirname, "../../../../infra/debezium");
const routerPrefix = "transforms.outbox.";

/** The connector configuration that is shipped, as Kafka Connect and Debezium read it. */
export interface Connector {
  readonly config: Readonly<Record<string, string>>;
  /** Of the outbox event router, with its defaults where the configuration is silent. */
  readonly router: RouterOptions;
  /** What is set of the router beside its options: Kafka Connect's own. */
  readonly transformSettings: readonly string[];
  /** Names in lists are regular expressions, anchored. */
  includesTable(name: string): boolean;
  excludesMessages(prefix: string): boolean;
}

export function readConnector(): Connector {
  const { config } = JSON.parse(readFileSync(join(folder, "outbox-connector.json"), "utf8")) as {
    config: Record<string, string>;
  };
  const set = Object.entries(config).flatMap(([name, value]) =>
    name.startsWith(routerPrefix) ? [[name.slice(routerPrefix.length), value] as const] : [],
  );
  return {
    config,
    router: { ...routerDefaults, ...Object.fromEntries(set.filter(([name]) => name in routerDefaults)) },
    transformSettings: set.map(([name]) => name).filter((name) => !(name in routerDefaults)),
    includesTable: (name) => matchesAny(config["table.include.list"], name),
    excludesMessages: (prefix) => matchesAny(config["message.prefix.exclude.list"], prefix),
  };
}

/** The statements of the connector's login for a domain, without what is psql's own. */
export function readLoginGrants(login: string): readonly string[] {
  const text = readFileSync(join(folder, "login.sql"), "utf8");
  return text
    .split("\n")
    .filter((line) => line.startsWith("grant "))
    .map((line) => line.replace(':"login"', login));
}

function matchesAny(list: string | undefined, name: string): boolean {
  return (list ?? "").split(",").some((pattern) => new RegExp(`^(?:${pattern})$`).test(name));
}
