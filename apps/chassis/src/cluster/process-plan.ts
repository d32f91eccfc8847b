import type { ClusterLogins } from "./prepare-databases.ts";

/** One process of a cluster: the same build, another environment. */
export interface PlannedProcess {
  readonly name: string;
  /** Arguments of the quartet command. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined for a process that does not listen. */
  readonly port: number | undefined;
  /** Whether it runs the domain's handlers, so that it starts anew when one is edited. */
  readonly runsHandlers: boolean;
}

export interface PlanInputs {
  readonly logins: ClusterLogins;
  readonly secret: string;
  readonly ports: Readonly<Record<string, number>>;
}

const host = "127.0.0.1";
/** In ms. A laptop that does all at once is no server: the classes' budgets would hit what is not slow. */
const patience = "5000";
/** Endpoints of subscriptions and callbacks may be on this machine. */
const local = { QUARTET_ALLOW_PRIVATE: "127.0.0.0/8,::1" };

/** Names of the processes that listen in each form of the cluster. */
export const listeningProcesses = {
  full: ["gateway", "crud", "micro", "nano", "lambda", "relay"],
  crud: ["crud"],
} as const;

/** Every class on its own login, a relay, and the gateway in front. */
export function planFull(inputs: PlanInputs): readonly PlannedProcess[] {
  const { logins } = inputs;
  const url = (name: string) => `http://${host}:${portOf(inputs, name)}`;
  const upstreams = {
    QUARTET_CRUD_URLS: url("crud"),
    QUARTET_MICRO_URLS: url("micro"),
    QUARTET_NANO_URLS: url("nano"),
    QUARTET_LAMBDA_URLS: url("lambda"),
  };
  const down = { QUARTET_NANO_URLS: url("nano"), QUARTET_LAMBDA_URLS: url("lambda") };
  const serve = (name: string, environment: Record<string, string>): PlannedProcess => ({
    name,
    args: ["start"],
    environment: { ...base(inputs), PORT: String(portOf(inputs, name)), ...environment },
    port: portOf(inputs, name),
    runsHandlers: true,
  });
  return [
    serve("crud", { DATABASE_URL: logins.crud, ...down }),
    serve("micro", { DATABASE_URL: logins.micro, EVENTS_DATABASE_URL: logins.microEvents, ...down }),
    serve("nano", { DATABASE_URL: logins.nano, QUARTET_LAMBDA_URLS: url("lambda") }),
    serve("lambda", {}),
    {
      name: "relay",
      args: ["relay"],
      environment: {
        ...base(inputs),
        DATABASE_URL: logins.relay,
        EVENTS_DATABASE_URL: logins.relayEvents,
        ...upstreams,
        PORT: String(portOf(inputs, "relay")),
        QUARTET_RELAY_URL: url("relay"),
      },
      port: portOf(inputs, "relay"),
      runsHandlers: false,
    },
    {
      name: "gateway",
      args: ["gateway"],
      environment: { ...base(inputs), PORT: String(portOf(inputs, "gateway")), ...upstreams },
      port: portOf(inputs, "gateway"),
      runsHandlers: false,
    },
  ];
}

/** The day-one monolith: one process on one database, its relay inside. */
export function planCrud(inputs: PlanInputs): readonly PlannedProcess[] {
  const port = portOf(inputs, "crud");
  return [
    {
      name: "crud",
      args: ["start", "--with-relay"],
      environment: {
        ...base(inputs),
        PORT: String(port),
        DATABASE_URL: inputs.logins.crud,
        QUARTET_RELAY_DATABASE_URL: inputs.logins.relay,
      },
      port,
      runsHandlers: true,
    },
  ];
}

/** For whoever looks at the cluster from beside it: what the relay may, and no more. */
export function operatorEnvironment({ logins, secret }: PlanInputs): Readonly<Record<string, string>> {
  return {
    DATABASE_URL: logins.relay,
    EVENTS_DATABASE_URL: logins.relayEvents,
    QUARTET_SECRET: secret,
    ...local,
  };
}

/** For whoever changes what its main database holds beside the processes. */
export function writerEnvironment({ logins }: PlanInputs): Readonly<Record<string, string>> {
  return { DATABASE_URL: logins.crud };
}

function base(inputs: PlanInputs): Record<string, string> {
  return { HOST: host, QUARTET_STATEMENT_TIMEOUT: patience, QUARTET_SECRET: inputs.secret, ...local };
}

function portOf(inputs: PlanInputs, name: string): number {
  const port = inputs.ports[name];
  if (port === undefined) throw new TypeError(`no port was found for ${name}`);
  return port;
}
