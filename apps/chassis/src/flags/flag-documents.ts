import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
import { type FlagDocument, FlagDocumentSchema } from "../gen/quartet/v1/flags_pb.ts";
import { TableReader } from "../pbtable/table-reader.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { systemRegistry } from "../schema/system-registry.ts";
import { tableOf } from "../schema/table/table.ts";
import { runTransaction } from "../sql/run-transaction.ts";
import { flagDocumentName } from "./table-flags.ts";

/** The flag definitions that a main database holds, and who wrote them when. */
export async function readFlagDocument(pool: Pool): Promise<FlagDocument | undefined> {
  return new TableReader<typeof FlagDocumentSchema>(tableOf(FlagDocumentSchema), pool, systemRegistry).get(
    flagDocumentName,
  );
}

/**
 * Writes flag definitions, which every process of the deployment follows within two seconds. They are not looked at here.
 *
 * @param document empty: none, so that the protos decide
 */
export async function writeFlagDocument(pool: Pool, document: string, author: string): Promise<void> {
  await runTransaction(pool, async (client) => {
    const rows = new TableWriter<typeof FlagDocumentSchema>(
      tableOf(FlagDocumentSchema),
      client,
      systemRegistry,
    );
    await rows.upsert({ name: flagDocumentName, document, author, updateTime: timestampNow() });
  });
}
