import { request } from "undici";
import { QuartetError } from "../../error/quartet-error.ts";
import { rootReason } from "../../error/root-reason.ts";
import { type RouteReport, routesPath } from "../../gateway/routes-endpoint.ts";

const askLimitMs = 5_000;

/**
 * Asks a gateway where a principal's requests go.
 *
 * @throws QuartetError `unavailable` when it does not answer, `failed_precondition` when it refuses.
 */
export async function askForRoutes(
  gatewayUrl: string,
  principal: string,
  adminToken: string | undefined,
): Promise<RouteReport> {
  const url = `${gatewayUrl}${routesPath}?principal=${encodeURIComponent(principal)}`;
  const answer = await request(url, {
    headers: adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` },
    signal: AbortSignal.timeout(askLimitMs),
  }).catch((cause: unknown) => {
    throw new QuartetError("unavailable", `${gatewayUrl} does not answer: ${rootReason(cause)}.`, { cause });
  });
  if (answer.statusCode === 200) return (await answer.body.json()) as RouteReport;
  throw refusal(gatewayUrl, answer.statusCode, await answer.body.text());
}

function refusal(gatewayUrl: string, status: number, body: string): QuartetError {
  const isGuarded = status === 401 || status === 403;
  return new QuartetError(
    "failed_precondition",
    `${gatewayUrl} refuses to tell its routes (${status}): ${body.slice(0, 300)}`,
    {
      fix: isGuarded
        ? "Set QUARTET_ADMIN_TOKEN here to that of the gateway."
        : "Point QUARTET_GATEWAY_URL at a gateway of this build.",
    },
  );
}
