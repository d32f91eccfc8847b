import { quoteIdentifier } from "../../schema/identifier.ts";

const words: Readonly<Record<string, string>> = {
  i: "index",
  I: "index",
  v: "view",
  m: "materialized view",
  S: "sequence",
};

/**
 * Renames what stands where something of ours should, so that nothing is lost.
 *
 * @param sqlName quoted, with its schema
 * @param kind its pg_class.relkind
 */
export function setAside(sqlName: string, kind: string): string {
  const last = sqlName.slice(sqlName.lastIndexOf('."') + 2, -1).replaceAll('""', '"');
  const aside = quoteIdentifier(`${last.slice(0, 50)}_set_aside`);
  return `alter ${words[kind] ?? "table"} ${sqlName} rename to ${aside}`;
}
