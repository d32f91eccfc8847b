import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { formatColumns } from "../../cluster/format-columns.ts";
import {
  GetOperationDeliveriesRequestSchema,
  GetOperationDeliveriesResponseSchema,
  ReadCallbackSecretsRequestSchema,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import { askGateway } from "./ask-gateway.ts";
import { formatFate } from "./format-fate.ts";
import { openOperator } from "./open-operator.ts";
import { messageJson } from "./print-rows.ts";

/** An operation as the gateway prints it, as far as this command looks into it. */
interface PrintedOperation {
  readonly name: string;
  readonly metadata?: { readonly method?: string; readonly state?: string; readonly acceptTime?: string };
}

interface Asking {
  readonly json?: boolean;
  readonly authorization?: string;
}

interface Listing extends Asking {
  readonly state?: string;
  readonly method?: string;
  readonly limit: string;
}

/** `operations list|show|cancel|callback-secret`. */
export function registerOperations(program: Command): void {
  const group = program
    .command("operations")
    .description(
      "the fates of commands: list, show with all deliveries, cancel; and the secrets of callbacks",
    );
  registerList(program, group);
  registerOne(program, group);
  group
    .command("callback-secret")
    .description(
      "print what callbacks to a URL are signed with (Standard Webhooks), the newest first: one for each origin. " +
        "Needs QUARTET_SECRET",
    )
    .argument("<url>")
    .action((url: string) =>
      openOperator(program, async ({ deliveries }, signal) => {
        const request = create(ReadCallbackSecretsRequestSchema, { url });
        const { secrets = [] } = await deliveries.readCallbackSecrets(request, signal);
        for (const secret of secrets) console.log(secret);
      }),
    );
}

function registerList(program: Command, group: Command): void {
  asking(group.command("list").description("list the newest of one principal"))
    .option("--state <state>", "accepted, committed, failed and the like")
    .option("--method <method>", "such as shop.v1.Orders/PlaceOrder")
    .option("--limit <count>", "at most so many", "50")
    .action(async (options: Listing) => {
      const path = `/operations?${queryOf(options)}`;
      const answer = await askGateway(program, {
        verb: "GET",
        path,
        authorization: options.authorization,
      });
      const { operations = [] } = answer as { operations?: readonly PrintedOperation[] };
      if (options.json) for (const operation of operations) console.log(JSON.stringify(operation));
      else console.log(operations.length === 0 ? "no operations" : formatList(operations));
    });
}

function queryOf({ state, method, limit }: Listing): URLSearchParams {
  const query = new URLSearchParams({ page_size: limit });
  if (state !== undefined) query.set("state", `OPERATION_STATE_${state.toUpperCase()}`);
  if (method !== undefined) query.set("method", method);
  return query;
}

function formatList(operations: readonly PrintedOperation[]): string {
  const rows = operations.map(({ name, metadata }) => [
    idOf(name),
    formatState(metadata?.state),
    metadata?.method ?? "",
    metadata?.acceptTime ?? "",
  ]);
  return formatColumns([["OPERATION", "STATE", "METHOD", "ACCEPTED"], ...rows]);
}

function registerOne(program: Command, group: Command): void {
  asking(
    group.command("show").description("show one, and how far each of its events is with each subscription"),
  )
    .argument("<id>")
    .action((id: string, options: Asking) => show(program, idOf(id), options));
  asking(group.command("cancel").description("end one as failed, unless it has ended"))
    .argument("<id>")
    .action(async (id: string, options: Asking) => {
      const path = `/operations/${encodeURIComponent(idOf(id))}:cancel`;
      const answer = await askGateway(program, { verb: "POST", path, authorization: options.authorization });
      const { metadata } = answer as PrintedOperation;
      console.log(options.json ? JSON.stringify(answer) : `${idOf(id)} is ${formatState(metadata?.state)}`);
    });
}

async function show(program: Command, id: string, options: Asking): Promise<void> {
  const path = `/operations/${encodeURIComponent(id)}`;
  const operation = (await askGateway(program, {
    verb: "GET",
    path,
    authorization: options.authorization,
  })) as PrintedOperation;
  const acceptTime = operation.metadata?.acceptTime;
  await openOperator(program, async ({ deliveries }, signal) => {
    const request = create(GetOperationDeliveriesRequestSchema, {
      operationId: id,
      acceptTime: timestampFromDate(new Date(acceptTime ?? 0)),
    });
    const found = acceptTime === undefined ? {} : await deliveries.getOperationDeliveries(request, signal);
    const fate = create(GetOperationDeliveriesResponseSchema, found);
    const json = { operation, deliveries: messageJson(GetOperationDeliveriesResponseSchema, fate) };
    if (options.json) console.log(JSON.stringify(json));
    else console.log(`${JSON.stringify(operation, undefined, 2)}\n\n${formatFate(fate)}`);
  });
}

function asking(command: Command): Command {
  return command
    .option("--authorization <value>", "of the principal who sent this Authorization header (anonymous)")
    .option("--json", "print JSON");
}

/** Both `operations/{id}`, as answers name it, and the id alone. */
function idOf(name: string): string {
  return name.replace(/^\/?operations\//, "");
}

function formatState(state: string | undefined): string {
  return (state ?? "").replace("OPERATION_STATE_", "").toLowerCase();
}
