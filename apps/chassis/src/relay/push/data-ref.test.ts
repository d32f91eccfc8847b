import fc from "fast-check";
import { expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { parseSecret } from "../../wire/webhook/webhook-signature.ts";
import {
  createDataRef,
  type DataRefToken,
  dataRefPath,
  parseDataRefToken,
  verifyDataRef,
} from "./data-ref.ts";

const secretOf = (byte: number) => parseSecret(`whsec_${Buffer.alloc(32, byte).toString("base64")}`);
const secret = secretOf(1);
const grant = { subscription: "billing/ü.x", seq: 42n, expires: 1_000 };

/** What a relay's listener takes out of the URL. */
function receive(url: string): DataRefToken {
  const { pathname, searchParams } = new URL(url);
  const seq = BigInt(pathname.slice(dataRefPath.length));
  const token = parseDataRefToken(seq, searchParams.get("token") ?? "");
  if (token === undefined) throw new Error("no token");
  return token;
}

function refuses(run: () => void): void {
  expect(run).toThrow(QuartetError);
  expect(run).toThrow(expect.objectContaining({ code: "permission_denied" }));
}

test("grants one event of one subscription until it expires", () => {
  const url = createDataRef("http://relay:7000", secret, grant);
  expect(url).toMatch(/^http:\/\/relay:7000\/_quartet\/events\/42\?token=[\w.-]+$/);
  const token = receive(url);
  expect(token).toMatchObject(grant);
  verifyDataRef([secretOf(2), secret], token, 999);
  refuses(() => verifyDataRef([secret], token, 1_000));
  refuses(() => verifyDataRef([secret], token, Number.NaN));
  refuses(() => verifyDataRef([secretOf(2)], token, 0));
  refuses(() => verifyDataRef([], token, 0));
});

test("whatever is changed in it takes the grant back", () => {
  const token = receive(createDataRef("http://r", secret, grant));
  const changes = [
    { seq: 43n },
    { expires: 1_001 },
    { subscription: "billing" },
    { signature: `${token.signature.slice(1)}A` },
  ];
  for (const change of changes) refuses(() => verifyDataRef([secret], { ...token, ...change }, 0));
});

test("what is no token is none, and no token makes the verification fail otherwise than by refusing", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseDataRefToken(1n, text)).toBeUndefined();
    }),
  );
  const signature = fc.stringMatching(/^[\w-]{43}$/);
  const name = fc.stringMatching(/^[\w~-]{1,30}$/).map((text) => Buffer.from(text).toString("base64url"));
  fc.assert(
    fc.property(fc.stringMatching(/^\d{1,12}$/), name, signature, (a, b, c) => {
      const token = parseDataRefToken(1n, `${a}.${b}.${c}`);
      if (token === undefined) throw new Error("no token");
      refuses(() => verifyDataRef([secret], token, 0));
    }),
  );
});
