import { expect, test } from "vitest";
import { openTestDatabase } from "../../cluster/postgres/test-database.ts";
import { tableOf } from "../../schema/table/table.ts";
import { addColumnsSql } from "../table-ddl.ts";
import { createViews, faultOf, rowMessage } from "./test-view.ts";
import { viewObjects } from "./view-ddl.ts";

test("a grown view has its new columns last, and shows the former ones, which cannot be written", async () => {
  await using later = await openTestDatabase();
  await createViews(later, [rowMessage({ id: "string", former: "string", maybe: "optional string" })]);
  await later.query("insert into test.rows_view (id, former) values ('old', 'kept')");
  const table = tableOf(rowMessage({ id: "string", seats: "int32" }));
  const [view, ...rest] = viewObjects(table, ["id", "former", "maybe", "version"]).map(
    ({ create }) => create,
  );
  await later.query(addColumnsSql(table, table.columns.slice(1)));
  await later.query(view ?? "");
  // Its function is still the old one.
  await later.query("update test.rows_view set former = 'still' where id = 'old'");
  for (const create of [...rest, ...rest]) await later.query(create);
  const shown = "select former, maybe, version, seats from test.rows_view where id = $1";
  await later.query("insert into test.rows_view (id, former, seats) values ('new', '', 5)");
  expect(await later.query(shown, ["new"])).toEqual([{ former: "", maybe: null, version: 1n, seats: 5 }]);
  await later.query("update test.rows_view set seats = 6 where former = 'still'");
  expect(await later.query(shown, ["old"])).toEqual([
    { former: "still", maybe: null, version: 3n, seats: 6 },
  ]);
  expect(await faultOf(later.query("update test.rows_view set maybe = 'a'"))).toEqual({
    code: "0A000",
    message: "test.rows_view: maybe cannot be written: the protos have no such column",
  });
});

test("names of columns are the protos' alone", async () => {
  await using other = await openTestDatabase();
  const names = ["changed", "removed", "fault", "own", "given", "t", "new", "old", "found", "tg_op"];
  const fields = Object.fromEntries(names.map((name) => [name, "optional string"]));
  await createViews(other, [
    rowMessage({ id: "string", ...fields, at: ".view.v1.Address path=city json=%27%24quartet%24" }),
  ]);
  const values = names.map((name) => `"${name}"`).join(", ");
  await other.query(
    `insert into test.rows_view (id, ${values}) values ('a', ${names.map((name) => `'${name}'`).join(", ")})`,
  );
  await other.query(`update test.rows_view set "removed" = null, at = '{"city": "Ulm"}'`);
  const shown = Object.fromEntries(names.map((name) => [name, name === "removed" ? null : name]));
  expect(await other.query(`select ${values}, at_city from test.rows_view`)).toEqual([
    { ...shown, at_city: "Ulm" },
  ]);
  expect(await other.query("delete from test.rows_view returning id")).toEqual([{ id: "a" }]);
});
