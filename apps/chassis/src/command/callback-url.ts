import { isIP } from "node:net";
import { QuartetError } from "../error/quartet-error.ts";
import { type AddressRules, publicAddresses } from "../wire/http/address-rules.ts";

const mostCharacters = 2_000;
const fix = "Send one http(s) URL at a public address, such as Quartet-Callback: https://client.example/done";

/**
 * The URL of a `Quartet-Callback` header, as it is stored. What names resolve to is judged when the callback is made, by
 * whoever makes it; an address in the URL itself is judged here, so that its client is told.
 *
 * @throws QuartetError `invalid_argument`.
 */
export function checkCallbackUrl(text: string, rules: AddressRules = publicAddresses): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw refused("is no http(s) URL");
  if (url.username !== "" || url.password !== "") throw refused("has credentials in its URL");
  if (url.hash !== "") throw refused("has a fragment, which no request carries");
  if (url.href.length > mostCharacters) throw refused(`is longer than ${mostCharacters} characters`);
  const refusal = refusalOf(url, rules);
  if (refusal !== undefined) throw refused(`is out of reach: ${refusal}`);
  return url.href;
}

function refusalOf({ hostname }: URL, rules: AddressRules): string | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  // RFC 6761, section 6.3: loopback by definition.
  if (/(^|\.)localhost\.?$/.test(host)) return rules.refusal("127.0.0.1");
  return isIP(host) === 0 ? undefined : rules.refusal(host);
}

function refused(problem: string): QuartetError {
  return new QuartetError("invalid_argument", `The callback ${problem}.`, { field: "Quartet-Callback", fix });
}
