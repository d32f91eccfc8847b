import type { FlagdCore } from "@openfeature/flagd-core";
import { QuartetError } from "../error/quartet-error.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { FlagAlarm } from "./flag-alarm.ts";
import { choicesOf } from "./flag-choice.ts";
import { findEvaluatorFault } from "./flag-evaluators.ts";
import { readShares } from "./flag-shares.ts";

/** What a flag says of a method for one principal. */
export interface FlagVerdict {
  /** Undefined: the flag leaves it to the proto. */
  readonly value: string | undefined;
  /** Why, for people. */
  readonly reason: string;
  /** The flag could not be evaluated. */
  readonly fault: string | undefined;
}

/** One document's flags, ready to be asked. */
export interface FlagSet {
  /** Keys of the flags that count. */
  readonly keys: readonly string[];
  /** Flags that fit no method, and are left out. */
  readonly alarms: readonly FlagAlarm[];
  /** Undefined where no flag is about the method. Never throws. */
  ask(method: DomainMethod, principal: string): FlagVerdict | undefined;
}

/** No flags: the protos decide. */
export const noFlags: FlagSet = { keys: [], alarms: [], ask: () => undefined };

/** Longest document, in characters, with what its evaluators stand for in their places. */
export const maxDocumentLength = 1_048_576;
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/**
 * Reads flag definitions of flagd. A flag's key is a method's name, and its variants say `direct`, `offloaded` or
 * `async` of a command, `eventual`, `own_writes` or `strong` of a query. The context of an evaluation is the principal
 * as `targetingKey`, the `method` and its `kind`.
 *
 * Documents are data: targeting is interpreted and never made code of. (Straight from flagd-core, without OpenFeature's
 * SDK in between: 0.7 µs an evaluation against 12 measured, and no global state.)
 *
 * @throws QuartetError `invalid_argument` for a text that is no such document, whatever it is.
 */
export async function readFlagSet(
  text: string,
  methods: ReadonlyMap<string, DomainMethod>,
): Promise<FlagSet> {
  const core = await loadCore(text);
  const shares = readShares(text);
  const alarms: FlagAlarm[] = [];
  const fit = new Set<string>();
  for (const [key, flag] of core.getFlags()) {
    const fault = findUnfit(methods.get(key), [...flag.variants.values()]);
    if (fault === undefined) fit.add(key);
    else alarms.push({ kind: "unfit", flag: oneLine(key), message: fault });
  }
  return {
    keys: [...fit],
    alarms,
    ask: (method, principal) =>
      fit.has(method.name) ? askCore(core, method, principal, shares.get(method.name) ?? "") : undefined,
  };
}

/** Loading flagd-core takes 80 ms, which whoever has no flags does not pay. */
async function loadCore(text: string): Promise<FlagdCore> {
  if (text.length > maxDocumentLength)
    throw malformed(`they are longer than ${maxDocumentLength} characters`, undefined);
  const fault = findEvaluatorFault(text, maxDocumentLength);
  if (fault !== undefined) throw malformed(fault, undefined);
  const { FlagdCore: Core, MemoryStorage } = await import("@openfeature/flagd-core");
  const options = { disableDynamicCodeGeneration: true };
  const storage = new MemoryStorage(silent, options);
  try {
    storage.setConfigurations(text, true);
    return new Core(storage, silent, options);
  } catch (error) {
    throw malformed(reasonOf(error), error);
  }
}

function malformed(why: string, cause: unknown): QuartetError {
  return new QuartetError("invalid_argument", `These are no flag definitions of flagd: ${why}.`, {
    cause,
    fix: "See https://flagd.dev/reference/flag-definitions for what they are.",
  });
}

/** Of the validator, which prints every rule that failed, the first place and what it lacks. */
function reasonOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof Error) return oneLine(cause.message);
  const place = /"instancePath": "([^"]*)"/.exec(message)?.[1];
  const what = /"message": "((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  return what === undefined ? oneLine(message) : oneLine(`${place || "/"} ${what}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, " ").slice(0, 300);
}

function findUnfit(method: DomainMethod | undefined, values: readonly unknown[]): string | undefined {
  if (method === undefined) return "there is no such method";
  const { kind } = method.handler;
  const choices = choicesOf(kind);
  if (choices.length === 0) return `it is a ${kind}, which has no choice`;
  const wrong = values.find((value) => typeof value !== "string" || !choices.includes(value));
  if (wrong === undefined) return undefined;
  return oneLine(`it is a ${kind}: a variant is ${JSON.stringify(wrong)}, not one of ${choices.join(", ")}`);
}

function askCore(core: FlagdCore, method: DomainMethod, principal: string, how: string): FlagVerdict {
  const { name, handler } = method;
  try {
    const context = { targetingKey: principal, method: name, kind: handler.kind };
    const { value, variant, reason, errorMessage } = core.resolveStringEvaluation(name, "", context, silent);
    if (reason === "ERROR") {
      const fault = oneLine(errorMessage ?? "it cannot be evaluated");
      return { value: undefined, reason: "its flag has a fault", fault };
    }
    if (value === "")
      return { value: undefined, reason: `its flag leaves it open (${reason})`, fault: undefined };
    const said = [reason, `variant ${variant ?? "unnamed"}`, how].filter((part) => part !== "");
    return { value, reason: said.join(", "), fault: undefined };
  } catch (error) {
    // json-logic may meet what its authors did not: a flag never costs a request.
    const fault = oneLine(error instanceof Error ? error.message : String(error));
    return { value: undefined, reason: "its flag has a fault", fault };
  }
}
