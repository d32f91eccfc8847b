import type { Command } from "commander";
import { request } from "undici";
import { QuartetError } from "../../error/quartet-error.ts";
import { rootReason } from "../../error/root-reason.ts";
import { parseEnvironment } from "../environment.ts";
import { projectOf } from "../project-option.ts";
import { findLocalGateway } from "./find-local-gateway.ts";

const askLimitMs = 10_000;

/** A request of a client to the deployment that is looked at. */
export interface GatewayRequest {
  readonly verb: "GET" | "POST";
  readonly path: string;
  /** Whose operations: whoever sent this Authorization header. Undefined: those of anonymous clients. */
  readonly authorization: string | undefined;
}

/**
 * Asks the gateway of QUARTET_GATEWAY_URL, or of the local cluster while that runs.
 *
 * @returns the JSON that it answers with
 * @throws QuartetError `invalid_argument` where neither is known, `unavailable` when it does not answer, and
 * `failed_precondition` with what it says when it refuses.
 */
export async function askGateway(program: Command, asked: GatewayRequest): Promise<unknown> {
  const { gatewayUrl } = parseEnvironment(process.env);
  const gateway = gatewayUrl ?? (await findLocalGateway(projectOf(program).stateDir));
  if (gateway === undefined) throw noGateway();
  const { authorization } = asked;
  const answer = await request(gateway + asked.path, {
    method: asked.verb,
    headers: authorization === undefined ? {} : { authorization },
    signal: AbortSignal.timeout(askLimitMs),
  }).catch((cause: unknown) => {
    throw new QuartetError("unavailable", `${gateway} does not answer: ${rootReason(cause)}.`, { cause });
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw refusal(answer.statusCode, text);
  return JSON.parse(text) as unknown;
}

function refusal(status: number, text: string): QuartetError {
  return new QuartetError("failed_precondition", `The gateway answers ${status}: ${text.slice(0, 500)}`, {
    fix: "Only whoever sent a command sees its operation: name them with --authorization.",
  });
}

function noGateway(): QuartetError {
  return new QuartetError("invalid_argument", "No gateway is known, and no local cluster runs here.", {
    fix: "Set QUARTET_GATEWAY_URL to that of the deployment; or start the local cluster: quartet dev",
  });
}
