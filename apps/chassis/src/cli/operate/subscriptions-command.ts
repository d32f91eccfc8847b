import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  CreateSubscriptionRequestSchema,
  DeleteSubscriptionRequestSchema,
  GetSubscriptionRequestSchema,
  ListSubscriptionsRequestSchema,
  ListSubscriptionsResponseSchema,
  PauseSubscriptionRequestSchema,
  ReadSecretsRequestSchema,
  ResumeSubscriptionRequestSchema,
  RotateSecretRequestSchema,
  type SubscriptionState,
  SubscriptionStateSchema,
  UpdateSubscriptionRequestSchema,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { SubscriptionsHandlers } from "../../relay/admin/subscriptions-service.ts";
import { readDurationMs, readStart, type StartOption } from "../read-option.ts";
import { openOperator } from "./open-operator.ts";
import { type Column, formatAge, messageJson, printRows } from "./print-rows.ts";
import { startOf } from "./replay-command.ts";
import { readSettings, type SettingsOptions, withSettings } from "./subscription-options.ts";

/** `subscriptions list|show|create|update|pause|resume|delete|secrets|rotate-secret`. */
export function registerSubscriptions(program: Command): void {
  const group = program
    .command("subscriptions")
    .description(
      "who gets which events: list, create, change, pause, delete; and the secrets of their pushes",
    );
  registerReading(program, group);
  registerChanging(program, group);
  registerStopping(program, group);
  registerSecrets(program, group);
}

interface Printing {
  readonly json?: boolean;
}

function registerReading(program: Command, group: Command): void {
  group
    .command("list")
    .description("list all, and how they fare")
    .option("--json", "print one JSON line a subscription")
    .action((options: Printing) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const request = create(ListSubscriptionsRequestSchema);
        const list = create(
          ListSubscriptionsResponseSchema,
          await subscriptions.listSubscriptions(request, signal),
        );
        const none = "no subscriptions: a relay that starts declares those of the domain";
        printRows(SubscriptionStateSchema, list.subscriptions, columns, {
          json: options.json === true,
          none,
        });
      }),
    );
  one(group, "show", "show one with all its settings").action((name: string, options: Printing) =>
    openOperator(program, async ({ subscriptions }, signal) => {
      const request = create(GetSubscriptionRequestSchema, { name });
      print(create(SubscriptionStateSchema, await subscriptions.getSubscription(request, signal)), options);
    }),
  );
}

function registerChanging(program: Command, group: Command): void {
  withSettings(one(group, "create", "create one"), "endpoint required")
    .option(
      "--from <start>",
      "the first event it gets: now, beginning, a sequence, a time, or a duration before now (2h)",
      readStart,
    )
    .action((name: string, options: SettingsOptions & Printing & { from?: StartOption }) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const { fields } = readSettings(options);
        const request = create(CreateSubscriptionRequestSchema, {
          subscription: { ...fields, name },
          ...startOf(options.from),
        });
        print(
          create(SubscriptionStateSchema, await subscriptions.createSubscription(request, signal)),
          options,
        );
      }),
    );
  withSettings(one(group, "update", "change what is given, and nothing else"), "nothing required").action(
    (name: string, options: SettingsOptions & Printing) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const { fields, paths } = readSettings(options);
        if (paths.length === 0) throw nothingGiven();
        const request = create(UpdateSubscriptionRequestSchema, {
          subscription: { ...fields, name },
          updateMask: { paths },
        });
        print(
          create(SubscriptionStateSchema, await subscriptions.updateSubscription(request, signal)),
          options,
        );
      }),
  );
}

function registerStopping(program: Command, group: Command): void {
  one(group, "pause", "push nothing until it is resumed: its events wait in the log")
    .option("--reason <text>", "for whoever finds it paused", "by an operator")
    .action((name: string, options: Printing & { reason: string }) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const request = create(PauseSubscriptionRequestSchema, { name, reason: options.reason });
        print(
          create(SubscriptionStateSchema, await subscriptions.pauseSubscription(request, signal)),
          options,
        );
      }),
    );
  one(group, "resume", "go on where it stopped").action((name: string, options: Printing) =>
    openOperator(program, async ({ subscriptions }, signal) => {
      const request = create(ResumeSubscriptionRequestSchema, { name });
      print(
        create(SubscriptionStateSchema, await subscriptions.resumeSubscription(request, signal)),
        options,
      );
    }),
  );
  group
    .command("delete")
    .description("delete one with its cursor and what is parked; its dead letters stay")
    .argument("<name>")
    .action((name: string) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        await subscriptions.deleteSubscription(create(DeleteSubscriptionRequestSchema, { name }), signal);
        console.log(`${name} is deleted`);
      }),
    );
}

function registerSecrets(program: Command, group: Command): void {
  group
    .command("secrets")
    .description(
      "print what its pushes are signed with (Standard Webhooks), the newest first. Needs QUARTET_SECRET",
    )
    .argument("<name>")
    .action((name: string) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const request = create(ReadSecretsRequestSchema, { name });
        printSecrets(await subscriptions.readSecrets(request, signal));
      }),
    );
  group
    .command("rotate-secret")
    .description("sign with a new secret from now on, and with the old one as well for a while")
    .argument("<name>")
    .option("--overlap <duration>", "how long the old one signs as well (24h)", readDurationMs)
    .action((name: string, { overlap }: { overlap?: number }) =>
      openOperator(program, async ({ subscriptions }, signal) => {
        const request = create(RotateSecretRequestSchema, {
          name,
          ...(overlap === undefined ? {} : { overlap: durationFromMs(overlap) }),
        });
        printSecrets(await subscriptions.rotateSecret(request, signal));
      }),
    );
}

function nothingGiven(): QuartetError {
  return new QuartetError("invalid_argument", "Nothing says what is to be changed.", {
    fix: "quartet subscriptions update --help shows what can be.",
  });
}

function one(group: Command, name: string, description: string): Command {
  return group
    .command(name)
    .description(description)
    .argument("<name>")
    .option("--json", "print one JSON object");
}

function print(state: SubscriptionState, options: Printing): void {
  const json = messageJson(SubscriptionStateSchema, state);
  console.log(options.json ? JSON.stringify(json) : JSON.stringify(json, undefined, 2));
}

function printSecrets({ secrets = [] }: Awaited<ReturnType<SubscriptionsHandlers["readSecrets"]>>): void {
  for (const secret of secrets) console.log(secret);
}

const columns: readonly Column<SubscriptionState>[] = [
  { title: "NAME", cell: ({ subscription }) => subscription?.name ?? "" },
  { title: "ENDPOINT", cell: ({ subscription }) => subscription?.endpoint ?? "" },
  { title: "STATE", cell: describeState },
  {
    title: "BEHIND",
    cell: ({ cursor, head, lag }) => `${head - cursor} (${formatAge(Number(lag?.seconds ?? 0n))})`,
  },
  { title: "PARKED", cell: ({ parked }) => String(parked) },
  { title: "DEAD", cell: ({ deadLetters }) => String(deadLetters) },
  { title: "HELD BY", cell: ({ holder }) => holder || "–" },
];

function describeState({ subscription }: SubscriptionState): string {
  if (subscription?.paused) return `paused: ${subscription.pauseReason || "no reason given"}`;
  return subscription?.replayOf ? `replays to ${subscription.untilSequence}` : "live";
}
