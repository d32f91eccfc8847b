import { isServiceClass, type ServiceClass, serviceClasses } from "../class/service-class.ts";
import type { ClassUrls } from "../edge/upstream/class-upstreams.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { parseExceptions, type RouteExceptions } from "../gateway/exceptions.ts";
import type { RetentionSettings } from "../relay/housekeeping/retention-settings.ts";
import { type AddressRules, parseAddressRules, publicAddresses } from "../wire/http/address-rules.ts";
import { parseSecret, type WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { readRetention } from "./read-retention.ts";

/** The process' environment, parsed once and whole. Nothing below the entry reads `process.env`. */
export interface Environment {
  readonly databaseUrl: string | undefined;
  readonly eventsDatabaseUrl: string | undefined;
  /** URLs of the relay that `start --with-relay` runs in the same process. */
  readonly relayDatabaseUrl: string | undefined;
  readonly port: number;
  readonly host: string;
  readonly grpcPort: number | undefined;
  readonly expectedClass: ServiceClass | undefined;
  readonly allowSurplus: boolean;
  /** Sign and verify pushes; the first one signs. */
  readonly secrets: readonly WebhookSecret[];
  /** Bytes of the first secret, that operation ids are proven with. */
  readonly secretBytes: Buffer;
  /** Whoever has it may administer the relay by HTTP. */
  readonly adminToken: string | undefined;
  /** The relay's listener, as subscribers reach it, without a slash at its end. */
  readonly relayUrl: string | undefined;
  /** How long a relay keeps what. */
  readonly retention: RetentionSettings | undefined;
  readonly upstreams: ClassUrls;
  readonly exceptions: RouteExceptions;
  /** Flag definitions, instead of the main database's. */
  readonly flagsFile: string | undefined;
  /** Name of the cookies in which the gateway keeps browsers' positions; without one it keeps none. */
  readonly positionCookie: string | undefined;
  /** The gateway of a deployment that is looked at. */
  readonly gatewayUrl: string | undefined;
  /** Where outside endpoints (subscriptions, callbacks) may be. */
  readonly addressRules: AddressRules;
  /** What the process is called in the fates of operations. */
  readonly node: string | undefined;
  readonly logLevel: string;
  readonly maxConnections: number;
  /** Instead of the budget of the class or the login. */
  readonly statementTimeoutMs: number | undefined;
}

/** Variables a command cannot do without. */
export type RequiredVariable =
  | "DATABASE_URL"
  | "EVENTS_DATABASE_URL"
  | "QUARTET_SECRET"
  | "QUARTET_CRUD_URLS"
  | "QUARTET_RELAY_DATABASE_URL";

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const secretHint = 'Make one with: echo "whsec_$(openssl rand -base64 32)"';

/**
 * Parses the environment.
 *
 * @throws QuartetError `invalid_argument` with every fault at once, and what mends each.
 */
export function parseEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  required: readonly RequiredVariable[] = [],
): Environment {
  const faults: string[] = [];
  const read = (name: string) => variables[name]?.trim() || undefined;
  for (const name of required) {
    if (read(name) === undefined)
      faults.push(name === "QUARTET_SECRET" ? `${name} is missing. ${secretHint}` : `${name} is missing`);
  }
  const secret = read("QUARTET_SECRET");
  const databaseUrl = readUrl("DATABASE_URL", ["postgres:", "postgresql:"], read, faults);
  const eventsDatabaseUrl = readUrl("EVENTS_DATABASE_URL", ["postgres:", "postgresql:"], read, faults);
  if (eventsDatabaseUrl !== undefined && databaseUrl === undefined) {
    faults.push(
      "EVENTS_DATABASE_URL is set, but DATABASE_URL is not: no class has events and no main database",
    );
  }
  const environment: Environment = {
    databaseUrl,
    eventsDatabaseUrl,
    relayDatabaseUrl: readUrl("QUARTET_RELAY_DATABASE_URL", ["postgres:", "postgresql:"], read, faults),
    port: readPort("PORT", read, faults) ?? 8080,
    host: read("HOST") ?? "0.0.0.0",
    grpcPort: readPort("GRPC_PORT", read, faults),
    expectedClass: readExpectedClass(read("QUARTET_EXPECT_CLASS"), faults),
    allowSurplus: readFlag("QUARTET_ALLOW_SURPLUS", read, faults),
    secrets: readSecrets(secret, faults),
    secretBytes: Buffer.from((secret ?? "").split(",", 1)[0]?.replace(/^whsec_/, "") ?? "", "base64"),
    adminToken: readToken("QUARTET_ADMIN_TOKEN", read, faults),
    relayUrl: readUrl("QUARTET_RELAY_URL", ["http:", "https:"], read, faults)?.replace(/\/+$/, ""),
    retention: readOptional("QUARTET_RETENTION", read, (text) => readRetention(text, faults)),
    upstreams: readUpstreams(read, faults),
    exceptions: parseExceptions(read("QUARTET_EXCEPTIONS") ?? "", faults),
    flagsFile: read("QUARTET_FLAGS"),
    positionCookie: readCookieName("QUARTET_POSITION_COOKIE", read, faults),
    gatewayUrl: readUrl("QUARTET_GATEWAY_URL", ["http:", "https:"], read, faults)?.replace(/\/+$/, ""),
    addressRules: readAddressRules("QUARTET_ALLOW_PRIVATE", read, faults),
    node: read("QUARTET_NODE"),
    logLevel: readLogLevel(read("QUARTET_LOG_LEVEL"), faults),
    maxConnections: readCount("QUARTET_MAX_CONNECTIONS", read, faults) ?? 10,
    statementTimeoutMs: readStatementTimeout(read, faults),
  };
  if (faults.length > 0) {
    throw new QuartetError(
      "invalid_argument",
      `The environment is not right:\n${faults.map((fault) => `  ${fault}`).join("\n")}`,
      { fix: "Set the variables named above." },
    );
  }
  return Object.freeze(environment);
}

type Read = (name: string) => string | undefined;

function readUrl(
  name: string,
  protocols: readonly string[],
  read: Read,
  faults: string[],
): string | undefined {
  const text = read(name);
  if (text === undefined) return undefined;
  // The value may hold a password: it is never shown.
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
  faults.push(
    `${name} is not a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
  );
  return undefined;
}

function readOptional<T>(name: string, read: Read, parse: (text: string) => T): T | undefined {
  const text = read(name);
  return text === undefined ? undefined : parse(text);
}

function readToken(name: string, read: Read, faults: string[]): string | undefined {
  const text = read(name);
  // RFC 6750, section 2.1, and long enough that nobody guesses it.
  if (text === undefined || /^[A-Za-z0-9\-._~+/]{16,}=*$/.test(text)) return text;
  faults.push(`${name} is not at least 16 letters, digits or -._~+/. Make one with: openssl rand -base64 32`);
  return undefined;
}

/** A token (RFC 6265, section 4.1.1). */
function readCookieName(name: string, read: Read, faults: string[]): string | undefined {
  const text = read(name);
  if (text === undefined || /^[\w!#$%&'*+.^`|~-]{1,64}$/.test(text)) return text;
  faults.push(`${name} is "${text}", which is no name of a cookie`);
  return undefined;
}

function readPort(name: string, read: Read, faults: string[]): number | undefined {
  const text = read(name);
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  faults.push(`${name} is "${text}", not a port from 0 to 65535`);
  return undefined;
}

function readCount(name: string, read: Read, faults: string[]): number | undefined {
  const text = read(name);
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  faults.push(`${name} is "${text}", not a whole number from 1 to 9999`);
  return undefined;
}

function readStatementTimeout(read: Read, faults: string[]): number | undefined {
  const text = read("QUARTET_STATEMENT_TIMEOUT");
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  faults.push(`QUARTET_STATEMENT_TIMEOUT is "${text}", not ms from 1 to 999999`);
  return undefined;
}

function readFlag(name: string, read: Read, faults: string[]): boolean {
  const text = read(name);
  if (text === undefined || text === "0" || text === "false") return false;
  if (text === "1" || text === "true") return true;
  faults.push(`${name} is "${text}", not 0 or 1`);
  return false;
}

function readExpectedClass(text: string | undefined, faults: string[]): ServiceClass | undefined {
  if (text === undefined || isServiceClass(text)) return text;
  faults.push(`QUARTET_EXPECT_CLASS is "${text}", not one of ${serviceClasses.join(", ")}`);
  return undefined;
}

function readAddressRules(name: string, read: Read, faults: string[]): AddressRules {
  try {
    return readOptional(name, read, parseAddressRules) ?? publicAddresses;
  } catch (error) {
    faults.push(`${name}: ${error instanceof Error ? error.message : "malformed"}. It takes such, or "all"`);
    return publicAddresses;
  }
}

function readLogLevel(text: string | undefined, faults: string[]): string {
  if (text === undefined) return "info";
  if (!logLevels.includes(text))
    faults.push(`QUARTET_LOG_LEVEL is "${text}", not one of ${logLevels.join(", ")}`);
  return text;
}

function readSecrets(text: string | undefined, faults: string[]): readonly WebhookSecret[] {
  const secrets: WebhookSecret[] = [];
  for (const part of text?.split(",") ?? []) {
    try {
      secrets.push(parseSecret(part.trim()));
    } catch (error) {
      faults.push(`QUARTET_SECRET: ${error instanceof Error ? error.message : "malformed"} ${secretHint}`);
    }
  }
  return secrets;
}

function readUpstreams(read: Read, faults: string[]): ClassUrls {
  const urlsOf = (serviceClass: ServiceClass) => {
    const name = `QUARTET_${serviceClass.toUpperCase()}_URLS`;
    const urls = (read(name) ?? "").split(",").map((part) => part.trim());
    return urls.filter((url) => {
      if (url === "") return false;
      const right =
        URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) && new URL(url).pathname === "/";
      if (!right) faults.push(`${name}: "${url}" is not an http(s) origin such as http://10.0.0.1:8080`);
      return right;
    });
  };
  return { crud: urlsOf("crud"), micro: urlsOf("micro"), nano: urlsOf("nano"), lambda: urlsOf("lambda") };
}
