import { QuartetError } from "../error/quartet-error.ts";
import { rootReason } from "../error/root-reason.ts";
import type { CommandMode, Consistency } from "../schema/method.ts";
import type { DomainMethod } from "../service/domain.ts";
import { describeAlarm, type FlagAlarm } from "./flag-alarm.ts";
import { type Choice, defaultChoice } from "./flag-choice.ts";
import { type FlagSet, noFlags, readFlagSet } from "./flag-set.ts";
import type { FlagReading, FlagSource } from "./flag-source.ts";
import { type FlagCount, FlagTally } from "./flag-tally.ts";

/** What a process knows of its flags, for people and for the processes that ask it. */
export interface FlagStatus {
  /** Where they come from, for people. */
  readonly source: string;
  /** Whether the source has been read at all, so that `document` is what it holds, or held when it was right. */
  readonly known: boolean;
  /** The flag definitions that count. Undefined: none, so that the protos decide. */
  readonly document: string | undefined;
  readonly alarms: readonly FlagAlarm[];
}

/** Numbers to watch. */
export interface FlagGauges {
  /** Flags that count. */
  readonly flags: number;
  /** Alarms that stand. More than none is for somebody to mend. */
  readonly alarms: number;
}

/** Alarms that are told one by one; a document could make thousands. */
const maxAlarms = 50;

/**
 * The flags that count in this process, and what is wrong with them. Asking never throws and never waits.
 *
 * | state | flags that count | left by |
 * |---|---|---|
 * | unknown: nothing was read yet | none: the protos decide | a reading |
 * | known: the last document was right, or there is none | its | a reading |
 * | known, `malformed`: the last document was wrong | those of the last one that was right | a document that is right, or none |
 * | any, `unreadable`: the source could not be read | as before | a reading |
 */
export class FlagBook {
  readonly #methods: ReadonlyMap<string, DomainMethod>;
  readonly #source: FlagSource | undefined;
  #set: FlagSet = noFlags;
  #document: string | undefined;
  #known = false;
  #unreadable: FlagAlarm | undefined;
  #malformed: FlagAlarm | undefined;
  /** Of the processes that the document comes from. */
  #inherited: readonly FlagAlarm[] = [];
  /** By flag: what came up when it was asked. */
  readonly #undecided = new Map<string, FlagAlarm>();
  readonly #tally = new FlagTally();
  #readTimeMs: number | undefined;
  #changeTimeMs: number | undefined;

  /** @param source undefined: there are no flags, and will be none */
  constructor(methods: ReadonlyMap<string, DomainMethod>, source: FlagSource | undefined) {
    this.#methods = methods;
    this.#source = source;
  }

  /** The mode of a command for a principal. */
  modeOf(method: DomainMethod, principal: string): Choice<CommandMode> {
    return this.#choose<CommandMode>(method, principal);
  }

  /** The consistency of a query for a principal. */
  consistencyOf(method: DomainMethod, principal: string): Choice<Consistency> {
    return this.#choose<Consistency>(method, principal);
  }

  /**
   * Looks at the source once, and takes over what it says. One look at a time. Never throws: what is wrong becomes an
   * alarm.
   *
   * @returns whether other flags count now
   */
  async look(signal: AbortSignal): Promise<boolean> {
    const before = this.#set;
    try {
      const reading = await this.#source?.read(signal);
      this.#unreadable = undefined;
      if (reading !== undefined) this.#readTimeMs = Date.now();
      if (reading?.changed) await this.#takeOver(reading);
    } catch (error) {
      this.#unreadable = { kind: "unreadable", flag: undefined, message: messageOf(error) };
    }
    return this.#set !== before;
  }

  async #takeOver(reading: FlagReading & { readonly changed: true }): Promise<void> {
    this.#inherited = reading.alarms ?? [];
    const { document } = reading;
    // Alarms of the same document may come and go.
    if (this.#known && document === this.#document && this.#malformed === undefined) return;
    try {
      this.#set = document === undefined ? noFlags : await readFlagSet(document, this.#methods);
      this.#document = document;
      this.#changeTimeMs = Date.now();
      this.#known = true;
      this.#malformed = undefined;
      this.#undecided.clear();
    } catch (error) {
      this.#malformed = { kind: "malformed", flag: undefined, message: messageOf(error) };
    }
  }

  get status(): FlagStatus {
    return {
      source: this.#source?.name ?? "none",
      known: this.#known,
      document: this.#document,
      alarms: this.#alarms().slice(0, maxAlarms),
    };
  }

  /** For metrics. */
  get gauges(): FlagGauges {
    return { flags: this.#set.keys.length, alarms: this.#alarms().length };
  }

  /** When the source was read last, whatever it held, in epoch ms. */
  get readTimeMs(): number | undefined {
    return this.#readTimeMs;
  }

  /** Since when the document that counts does so, in epoch ms. */
  get changeTimeMs(): number | undefined {
    return this.#changeTimeMs;
  }

  /** How often each method was asked for, and what came of it. */
  get choices(): readonly FlagCount[] {
    return this.#tally.counts;
  }

  /** @typeParam V what a method of its kind chooses among: a flag that says anything else is none of the set */
  #choose<V extends CommandMode | Consistency>(method: DomainMethod, principal: string): Choice<V> {
    const choice = this.#ask<V>(method, principal);
    this.#tally.note(method.name, choice.value, choice.from);
    return choice;
  }

  #ask<V extends CommandMode | Consistency>(method: DomainMethod, principal: string): Choice<V> {
    const value = defaultChoice(method) as V;
    const verdict = this.#set.ask(method, principal);
    if (verdict === undefined) return { value, from: "proto", reason: "its proto" };
    this.#noteFault(method.name, verdict.fault);
    if (verdict.value === undefined)
      return { value, from: "proto", reason: `its proto, for ${verdict.reason}` };
    return { value: verdict.value as V, from: "flag", reason: `flag: ${verdict.reason}` };
  }

  /** Stands until the next document: that it worked for another principal mends nothing. */
  #noteFault(flag: string, message: string | undefined): void {
    if (message === undefined || this.#undecided.has(flag)) return;
    this.#undecided.set(flag, { kind: "undecided", flag, message });
  }

  #alarms(): readonly FlagAlarm[] {
    const own = [this.#unreadable, this.#malformed, ...this.#set.alarms, ...this.#undecided.values()];
    const all = [...own.filter((alarm) => alarm !== undefined), ...this.#inherited];
    return [...new Map(all.map((alarm) => [describeAlarm(alarm), alarm])).values()];
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof QuartetError ? error.message : rootReason(error);
  return message.replaceAll(/[\s\p{Cc}]+/gu, " ").slice(0, 500);
}
