import type { Ledger, Tally } from "../trade/ledger.ts";
import type { Check } from "./check.ts";

/** Everybody was answered as the platform promises. */
export function balanceAnswers(ledger: Ledger, faults: readonly string[]): readonly Check[] {
  return [
    checkTally("pages and operations answered", ledger.browsing),
    checkTally("malformed requests refused as they must be", ledger.malformed),
    checkTally("requests repeated with their key, answered the same", ledger.repeats),
    checkTally("keys used for another request, refused", ledger.reuses),
    checkTally("reads that see the write before them", ledger.readBacks),
    {
      what: "requests without an answer",
      expected: 0,
      actual: faults.length,
      balances: faults.length === 0,
      faults,
    },
  ];
}

function checkTally(what: string, { ok, faults }: Tally): Check {
  return { what, expected: ok + faults.length, actual: ok, balances: faults.length === 0, faults };
}
