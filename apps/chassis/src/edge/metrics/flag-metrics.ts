import type { Registry } from "prom-client";
import type { FlagAlarm } from "../../flags/flag-alarm.ts";
import type { FlagBook } from "../../flags/flag-book.ts";
import { addCounter, addGauge } from "./scraped.ts";

const alarmKinds: readonly FlagAlarm["kind"][] = ["unreadable", "malformed", "unfit", "undecided"];

/** The flags that count in this process, what is wrong with them, and what they are asked for. */
export function addFlagMetrics(registry: Registry, flags: FlagBook): void {
  addGauge(registry, { name: "quartet_flags", help: "Flags that count in this process." }, () => [
    [{}, flags.gauges.flags],
  ]);
  addGauge(
    registry,
    {
      name: "quartet_flags_alarms",
      help: "What is wrong with the flags, for somebody to mend: GET /_quartet/flags tells it.",
      labels: ["kind"],
    },
    () => {
      const { alarms } = flags.status;
      return alarmKinds.map((kind) => [{ kind }, alarms.filter((alarm) => alarm.kind === kind).length]);
    },
  );
  addGauge(
    registry,
    { name: "quartet_flags_read_timestamp_seconds", help: "When their source was read last, in Unix time." },
    () => timestamp(flags.readTimeMs),
  );
  addGauge(
    registry,
    {
      name: "quartet_flags_changed_timestamp_seconds",
      help: "Since when the flags that count do so, in Unix time.",
    },
    () => timestamp(flags.changeTimeMs),
  );
  addCounter(
    registry,
    {
      name: "quartet_flags_evaluations_total",
      help: "How often a method's mode or consistency was chosen here, what it was, and whether a flag said it.",
      labels: ["method", "value", "from"],
    },
    () => flags.choices.map(({ count, ...labels }) => [labels, count]),
  );
}

function timestamp(ms: number | undefined): readonly [Record<string, string>, number][] {
  return ms === undefined ? [] : [[{}, ms / 1_000]];
}
