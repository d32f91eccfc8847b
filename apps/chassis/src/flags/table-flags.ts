import type { SqlClient } from "../sql/sql-client.ts";
import { type FlagSource, unchanged } from "./flag-source.ts";

/** The row of `quartet.flag_document` that is read. */
export const flagDocumentName = "routes";

interface FlagRow {
  readonly digest: string;
  /** Null when it has the digest that is known. */
  readonly document: string | null;
}

/** Flags of the main database or a replica of it, one query a look. No row, and a row with an empty text: none. */
export function tableFlags(client: SqlClient): FlagSource {
  let seen: string | undefined;
  return {
    name: "table quartet.flag_document",
    read: async () => {
      const { rows } = await client.query<FlagRow>({ ...readSql, values: [flagDocumentName, seen ?? null] });
      // One that is never the digest of a text.
      const { digest, document } = rows[0] ?? { digest: "none", document: "" };
      if (digest === seen) return unchanged;
      seen = digest;
      return { changed: true, document: document === "" || document === null ? undefined : document };
    },
  };
}

/** By digest and not by version: a row that was deleted and made anew begins with version 1 again. */
const readSql = {
  name: "quartet_flags",
  text: `select md5(coalesce(pb->>'document', '')) as digest,
  case when md5(coalesce(pb->>'document', '')) is distinct from $2 then coalesce(pb->>'document', '') end as document
from quartet.flag_document where name = $1`,
};
