import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Command, InvalidArgumentError } from "commander";
import {
  DiscardDeadLettersRequestSchema,
  GetDeadLetterRequestSchema,
  ListDeadLettersRequestSchema,
  ListDeadLettersResponseSchema,
  RedriveDeadLettersRequestSchema,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import { type DeadLetter, DeadLetterSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import type { DeadLettersHandlers } from "../../relay/admin/dead-letters-service.ts";
import { readCount, readRate, readTime } from "../read-option.ts";
import {
  type ChoiceOptions,
  chooseLetters,
  chunkLetters,
  chunkOf,
  type FilterOptions,
  repeatChoices,
  toFilter,
} from "./letter-choice.ts";
import { openOperator } from "./open-operator.ts";
import { type Column, messageJson, printRows } from "./print-rows.ts";

const pageLetters = 200;

/** `dead-letters list|show|redrive|discard`. */
export function registerDeadLetters(program: Command): void {
  const letters = program
    .command("dead-letters")
    .description("events that could not be delivered: look at them, give them back, or remove them");
  withFilters(letters.command("list").description("list dead letters"))
    .option("--limit <count>", "so many at most", readCount, 100)
    .option("--json", "print one JSON line a letter")
    .action((options: FilterOptions & { limit: number; json?: boolean }) =>
      openOperator(program, ({ deadLetters }, signal) => listLetters(deadLetters, options, signal)),
    );
  letters
    .command("show")
    .description("show one, with its data and every attempt that is known")
    .argument("<id>")
    .option("--json", "print one JSON object")
    .action((deadLetterId: string, options: { json?: boolean }) =>
      openOperator(program, async ({ deadLetters }, signal) => {
        const request = create(GetDeadLetterRequestSchema, { deadLetterId });
        const letter = create(DeadLetterSchema, await deadLetters.getDeadLetter(request, signal));
        const json = messageJson(DeadLetterSchema, letter);
        console.log(options.json ? JSON.stringify(json) : formatLetter(letter, json));
      }),
    );
  withFilters(
    letters
      .command("redrive")
      .description("deliver them again, in the order of their keys: those named, those that match, or --all")
      .argument("[ids...]"),
  )
    .option("--all", "every one")
    .option("--rate <per-second>", "so many a second at most", readRate)
    .action((ids: string[], options: ChoiceOptions & { rate?: number }) =>
      openOperator(program, async ({ deadLetters }, signal) => {
        const { rate = 0 } = options;
        const choices = chooseLetters(ids, options, chunkOf(rate));
        await repeatChoices({ what: "redriven", rate }, choices, signal, async (choice) => {
          const request = create(RedriveDeadLettersRequestSchema, { ...choice, rate });
          return Number((await deadLetters.redriveDeadLetters(request, signal)).redriven ?? 0n);
        });
      }),
    );
  withFilters(
    letters
      .command("discard")
      .description("remove them for good: those named, those that match, or --all")
      .argument("[ids...]"),
  )
    .option("--all", "every one")
    .action((ids: string[], options: ChoiceOptions) =>
      openOperator(program, async ({ deadLetters }, signal) => {
        const choices = chooseLetters(ids, options, chunkLetters);
        await repeatChoices({ what: "discarded", rate: 0 }, choices, signal, async (choice) => {
          const request = create(DiscardDeadLettersRequestSchema, choice);
          return Number((await deadLetters.discardDeadLetters(request, signal)).discarded ?? 0n);
        });
      }),
    );
}

function withFilters(command: Command): Command {
  return command
    .option("--subscription <name>", "of this subscription")
    .option("--type <name>", "of this event type")
    .option("--key <key>", "of this key")
    .option(
      "--after <time>",
      "that died at or after: 2031-05-01T12:00:00Z, or a duration before now: 2h",
      readTime,
    )
    .option("--before <time>", "that died before", readTime)
    .option("--status <status>", "whose last answer had this HTTP status; 0: there was none", readStatus);
}

function readStatus(text: string): number {
  if (/^(0|[1-5]\d\d)$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It takes an HTTP status, or 0.");
}

async function listLetters(
  service: DeadLettersHandlers,
  options: FilterOptions & { readonly limit: number; readonly json?: boolean },
  signal: AbortSignal,
): Promise<void> {
  const letters: DeadLetter[] = [];
  let pageToken = "";
  do {
    const pageSize = Math.min(pageLetters, options.limit - letters.length);
    const request = create(ListDeadLettersRequestSchema, { filter: toFilter(options), pageSize, pageToken });
    const page = create(ListDeadLettersResponseSchema, await service.listDeadLetters(request, signal));
    letters.push(...page.deadLetters);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && letters.length < options.limit);
  printRows(DeadLetterSchema, letters, columns, { json: options.json === true, none: "no dead letters" });
  if (pageToken !== "") console.error(`there are more than ${options.limit}; --limit shows them`);
}

const columns: readonly Column<DeadLetter>[] = [
  { title: "ID", cell: (letter) => letter.deadLetterId },
  { title: "SUBSCRIPTION", cell: (letter) => letter.subscription },
  { title: "TYPE", cell: (letter) => letter.eventType },
  { title: "KEY", cell: (letter) => letter.eventKey },
  { title: "ATTEMPTS", cell: (letter) => String(letter.attempts) },
  { title: "STATUS", cell: (letter) => (letter.lastStatus === 0 ? "–" : String(letter.lastStatus)) },
  { title: "DIED", cell: (letter) => (letter.deadTime ? timestampDate(letter.deadTime).toISOString() : "") },
  { title: "LAST ANSWER", cell: (letter) => firstLine(letter.lastAnswer) },
];

function firstLine(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, " ").trim();
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function formatLetter(letter: DeadLetter, json: unknown): string {
  const facts = { ...(json as Record<string, unknown>), eventData: parseData(letter.eventData) };
  return JSON.stringify(facts, undefined, 2);
}

function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
