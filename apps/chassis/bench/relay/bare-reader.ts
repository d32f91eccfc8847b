import type { Duplex } from "node:stream";
import pg from "pg";
import { ReadPacer } from "../../src/relay/replication/read-pacer.ts";
import type { ReplicationSource } from "../../src/relay/replication/read-transactions.ts";
import { quoteIdentifier, quoteLiteral } from "../../src/schema/identifier.ts";

const copyData = 0x64; // d
const dataFrame = 0x77; // w
const insertMessage = 0x49; // I
/** Of a message, of a data frame inside it, of the pgoutput message inside that. */
const messageHead = 5;
const frameHead = 25;

/**
 * Counts the rows that a slot sends and does nothing else: as fast as the walsender can be read. It answers nothing, so
 * the slot stays where it is.
 *
 * @param gather reads in gulps, as our stream does; otherwise each piece as it comes, as a plain reader does
 */
export async function countRows(source: ReplicationSource, rows: number, gather: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: source.url, replication: "database" } as pg.ClientConfig); // untyped
  client.on("error", () => undefined);
  await client.connect();
  // The types do not declare the connection.
  const { connection } = client as unknown as {
    connection: { readonly stream: Duplex; query(text: string): void };
  };
  connection.stream.removeAllListeners("data"); // the parser of `pg`
  const counted = countInserts(connection.stream, rows);
  const pacer = gather ? new ReadPacer(connection.stream) : undefined;
  connection.query(
    `START_REPLICATION SLOT ${quoteIdentifier(source.slot)} LOGICAL 0/0 (proto_version '1', ` +
      `publication_names ${quoteLiteral(quoteIdentifier(source.publication))})`,
  );
  try {
    await counted;
  } finally {
    pacer?.stop();
    connection.stream.destroy();
  }
}

function countInserts(stream: Duplex, rows: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const counter = new InsertCounter();
  stream.on("close", () => reject(new Error(`the server ended after ${counter.inserts} rows`)));
  stream.on("data", (chunk: Buffer) => {
    counter.read(chunk);
    if (counter.inserts >= rows) resolve();
  });
  return promise;
}

class InsertCounter {
  inserts = 0;
  #rest: Buffer | undefined;

  read(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (at + messageHead <= bytes.length) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      this.#count(bytes, at);
      at = end;
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }

  #count(bytes: Buffer, at: number): void {
    const isData = bytes[at] === copyData && bytes[at + messageHead] === dataFrame;
    if (isData && bytes[at + messageHead + frameHead] === insertMessage) this.inserts++;
  }
}
