import { type IncomingHttpHeaders, request } from "node:http";
import { pino } from "pino";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { openListener } from "../../edge/listen.ts";
import { allAddresses } from "../../wire/http/address-rules.ts";
import { parseSecret } from "../../wire/webhook/webhook-signature.ts";
import { openRelayAdmin, type RelayAdmin, type RelayAdminSettings } from "./open-relay-admin.ts";

/** The listener of a relay, without its work, on a database with the relay's login. */
export interface TestRelayAdmin extends AsyncDisposable {
  readonly database: TestDatabase;
  /** The relay's login. */
  readonly login: string;
  readonly admin: RelayAdmin;
  readonly port: number;
  /** What it logged. */
  readonly lines: readonly string[];
  /** A request to what begins with `/_quartet/`. */
  call(verb: string, path: string, json?: unknown): Promise<TestAnswer>;
}

interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they expect it to be
  readonly json: any;
}

interface TestRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export const testSecret = parseSecret(`whsec_${Buffer.alloc(32, 1).toString("base64")}`);

export async function openTestRelayAdmin(changes: Partial<RelayAdminSettings> = {}): Promise<TestRelayAdmin> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase());
  const url = database.url();
  await applySchema(testDomain, { databaseUrl: url, eventsDatabaseUrl: url });
  const login = await createTestLogin(database, "quartet_relay", "relay");
  const lines: string[] = [];
  const admin = stack.use(
    openRelayAdmin({
      domain: testDomain,
      databaseUrl: database.url(login),
      eventsDatabaseUrl: database.url(login),
      secrets: [testSecret],
      token: undefined,
      addressRules: allAddresses,
      logger: pino({ level: "info" }, { write: (line) => void lines.push(line) }),
      ...changes,
    }),
  );
  const { port } = stack.use(await openListener(admin.handler, 0, "127.0.0.1"));
  const owned = stack.move();
  return {
    database,
    login,
    admin,
    port,
    lines,
    call: (verb, path, json) => {
      const headers = { "content-type": "application/json" };
      const body = json === undefined ? {} : { headers, body: JSON.stringify(json) };
      return sendTo(port, verb, `/_quartet/${path}`, body);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Sends a request whose target and headers are as they are given, a Host included: as a browser or curl would not. */
export function sendTo(
  port: number,
  verb: string,
  path: string,
  { headers = {}, body = "" }: TestRequest = {},
): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, method: verb, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /json/.test(response.headers["content-type"] ?? "") && text !== "";
          const json = isJson ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
      },
    );
    sent.on("error", reject);
    sent.setTimeout(20_000, () => sent.destroy(new Error("no answer")));
    sent.end(body);
  });
}
