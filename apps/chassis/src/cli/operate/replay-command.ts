import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import {
  ReplaySubscriptionRequestSchema,
  SubscriptionStateSchema,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import { readRate, readSequence, readStart, type StartOption } from "../read-option.ts";
import { openOperator } from "./open-operator.ts";
import { messageJson } from "./print-rows.ts";

interface ReplayOptions {
  readonly from?: StartOption;
  readonly until?: bigint;
  readonly rate?: number;
  readonly json?: boolean;
}

/** `replay`. */
export function registerReplay(program: Command): void {
  program
    .command("replay")
    .description(
      "deliver a part of the log to a subscription again, beside what is live. A chassis' own reaction has each effect\n" +
        "once whatever comes again; others tell a replay by its id, or by the attribute quartetreplay.",
    )
    .argument("<subscription>")
    .requiredOption(
      "--from <start>",
      "beginning, a sequence, a time (2031-05-01T12:00:00Z), or a duration before now (2h)",
      readStart,
    )
    .option("--until <sequence>", "the last event to deliver (default: the newest now)", readSequence)
    .option("--rate <per-second>", "so many events a second at most (default: as the subscription)", readRate)
    .option("--json", "print the replay as one JSON object")
    .action((name: string, options: ReplayOptions) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const request = create(ReplaySubscriptionRequestSchema, {
          name,
          untilSequence: options.until ?? 0n,
          rate: options.rate ?? 0,
          ...startOf(options.from),
        });
        const state = create(
          SubscriptionStateSchema,
          await subscriptions.replaySubscription(request, signal),
        );
        if (options.json) console.log(JSON.stringify(messageJson(SubscriptionStateSchema, state)));
        else {
          const { subscription, cursor } = state;
          const count = (subscription?.untilSequence ?? 0n) - cursor;
          console.log(
            `${subscription?.name} replays ${count} events of the log; it is gone when it has ended`,
          );
        }
      }),
    );
}

/** The member `start` of a request. */
export function startOf(start: StartOption | undefined) {
  if (start === undefined) return {};
  if (start.case !== "fromTime") return { start };
  return { start: { case: start.case, value: timestampFromDate(start.value) } };
}
