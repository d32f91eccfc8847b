import type { Client } from "pg";
import type { RelayGauges } from "../admin/read-gauges.ts";
import type { Finding } from "./finding.ts";

/** A subscription that is this far behind has somebody look. */
const lagWarningSeconds = 60;
/** A delayed event that is overdue by this much is not being seen to. */
const overdueSeconds = 10;

/** Examines what the events database tells of the relay: processes, log, subscriptions, dead letters. Only reads. */
export async function examineRelay(client: Client, gauges: RelayGauges): Promise<readonly Finding[]> {
  const { rows } = await client.query<RelayFacts>(factsSql);
  const [facts] = rows;
  if (facts === undefined) throw new TypeError("an aggregate without a row");
  return [
    ...examineProcesses(facts, gauges),
    ...examineLog(facts, gauges),
    ...gauges.subscriptions.map(examineSubscription),
    ...gauges.deadLetters.map(examineDeadLetters),
  ];
}

interface RelayFacts {
  readonly processes: number;
  readonly unheld: readonly string[];
  readonly overdue: number;
  readonly segments: number;
  readonly bytes: string;
}

const factsSql = `select
  (select count(*)::int from quartet.relay_process where seen_at > now() - interval '5 seconds') as processes,
  (select coalesce(array_agg(name order by name), '{}') from quartet.relay_lease
    where holder is null or expires_at < now()) as unheld,
  (select count(*)::int from quartet.event_log_delayed
    where due_at < now() - make_interval(secs => ${overdueSeconds})) as overdue,
  (select count(*)::int from quartet.event_log_segment) as segments,
  (select pg_size_pretty(coalesce(sum(pg_total_relation_size(inhrelid)), 0)) from pg_inherits
    where inhparent = 'quartet.event_log'::regclass) as bytes`;

function examineProcesses(facts: RelayFacts, gauges: RelayGauges): Finding[] {
  if (facts.processes === 0) {
    return [{ level: "failure", part: "relay", what: "no relay process lives", fix: "quartet relay" }];
  }
  const lives = `${facts.processes} ${facts.processes === 1 ? "process lives" : "processes live"}`;
  if (facts.unheld.length === 0) return [{ level: "ok", part: "relay", what: lives }];
  // Paused subscriptions need no holder.
  const paused = new Set(
    gauges.subscriptions.flatMap(({ name, paused }) => (paused ? [`subscription/${name}`] : [])),
  );
  const unheld = facts.unheld.filter((name) => !paused.has(name));
  if (unheld.length === 0) return [{ level: "ok", part: "relay", what: lives }];
  return [
    {
      level: "warning",
      part: "relay",
      what: `${lives}, and nobody does: ${unheld.join(", ")}`,
      fix: "Look again in a few seconds; if it stays, the relay's log tells why.",
    },
  ];
}

function examineLog(facts: RelayFacts, gauges: RelayGauges): Finding[] {
  const findings: Finding[] = [
    { level: "ok", part: "log", what: `${gauges.head} events, ${facts.segments} segments, ${facts.bytes}` },
  ];
  if (facts.overdue > 0) {
    findings.push({
      level: "warning",
      part: "log",
      what: `${facts.overdue} delayed events are overdue`,
      fix: "The lease `housekeeping` releases them: the relay's log tells why it does not.",
    });
  }
  return findings;
}

function examineSubscription(state: RelayGauges["subscriptions"][number]): Finding {
  const part = `subscription ${state.name}`;
  if (state.paused) {
    return {
      level: "warning",
      part,
      what: `is paused, ${state.lagEvents} events behind`,
      fix: `quartet subscriptions show ${state.name} tells why; quartet subscriptions resume ${state.name}`,
    };
  }
  const behind = `${state.lagEvents} events and ${Math.round(state.lagSeconds)} s behind, ${state.parked} parked`;
  if (state.lagSeconds > lagWarningSeconds) return { level: "warning", part, what: behind };
  return { level: "ok", part, what: behind };
}

function examineDeadLetters({ subscription, count }: RelayGauges["deadLetters"][number]): Finding {
  return {
    level: "warning",
    part: `subscription ${subscription}`,
    what: `${count} dead letters`,
    fix: `quartet dead-letters list --subscription ${subscription}`,
  };
}
