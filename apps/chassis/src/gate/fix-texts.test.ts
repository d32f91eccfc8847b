import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { findPackageLayout } from "../project/package-layout.ts";
import { runBuf } from "../project/run-buf.ts";
import { bufRules } from "./buf-rules.ts";
import { fixOf } from "./fix-texts.ts";

const checkout = join(findPackageLayout().root, "..", "..");

test("every rule of buf that is in force has a fix of its own", async () => {
  const { output } = await runBuf(
    [
      "config",
      "ls-breaking-rules",
      "--configured-only",
      "--format=json",
      "--config",
      JSON.stringify(bufRules),
    ],
    checkout,
  );
  const rules = output.split("\n").map((line) => (JSON.parse(line) as { id: string }).id);
  expect(rules.length).toBeGreaterThan(20);
  expect(rules.filter((rule) => fixOf(rule) === fixOf("SOME_OTHER_RULE"))).toEqual([]);
});

test("the checkout's buf.yaml has the rules of the gate", async () => {
  const settings: unknown = parse(await readFile(join(checkout, "buf.yaml"), "utf8"));
  expect(settings).toMatchObject({ lint: bufRules.lint, breaking: bufRules.breaking });
});
