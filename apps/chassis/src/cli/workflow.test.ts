import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { findWorkflow } from "../project/package-layout.ts";
import { registerApply } from "./apply-command.ts";
import { registerCheck } from "./check-command.ts";

interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly run?: string;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<string, { readonly if?: string; readonly permissions?: unknown; readonly steps: readonly Step[] }>
  >;
}

let workflow: Workflow;

beforeAll(async () => {
  workflow = parse(await readFile(findWorkflow(), "utf8"));
});

/** What follows `npx quartet` in the steps of a job. */
function commandsOf({ steps }: { readonly steps: readonly Step[] }): readonly string[] {
  return steps.flatMap(({ run = "" }) => /^npx quartet (.+)$/m.exec(run)?.[1] ?? []);
}

describe("the GitHub workflow", () => {
  test("runs commands of quartet that there are, with options that they have", () => {
    const program = new Command().exitOverride();
    registerCheck(program);
    registerApply(program);
    const lines = Object.values(workflow.jobs).flatMap(commandsOf);
    expect(lines).toEqual(["check --format github", "apply --plan", "check --data", "check --record"]);
    for (const line of lines) {
      const [name, ...args] = line.split(" ");
      const command = program.commands.find((known) => known.name() === name);
      expect(command?.parseOptions(args), line).toMatchObject({ operands: [], unknown: [] });
    }
  });

  test("fetches all of the history wherever something is compared with it", () => {
    for (const { steps } of Object.values(workflow.jobs)) {
      const compares = steps.some(({ run }) => /quartet check(?! --data)/.test(run ?? ""));
      const checkout = steps.find(({ uses }) => uses?.startsWith("actions/checkout@"));
      if (compares) expect(checkout?.with?.["fetch-depth"]).toBe(0);
    }
  });

  test("installs Node 24 and the locked packages before anything of quartet runs", () => {
    for (const { steps } of Object.values(workflow.jobs)) {
      const [checkout, node, install] = steps;
      expect(checkout?.uses).toMatch(/^actions\/checkout@v\d+$/);
      expect(node).toMatchObject({
        uses: expect.stringMatching(/^actions\/setup-node@v\d+$/),
        with: { "node-version": 24 },
      });
      expect(install?.run).toBe("npm ci");
    }
  });

  test("may write in the job that records a release alone, and gives secrets to no fork", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    const { check, plan, record } = workflow.jobs;
    expect([check?.permissions, plan?.permissions]).toEqual([undefined, undefined]);
    expect(record).toMatchObject({
      if: "github.event_name == 'release'",
      permissions: { contents: "write", "pull-requests": "write" },
    });
    expect(plan?.if).toContain("github.event.pull_request.head.repo.full_name == github.repository");
    for (const [name, job] of Object.entries(workflow.jobs)) {
      expect(JSON.stringify(job).includes("secrets."), name).toBe(name === "plan");
    }
  });

  test("puts nothing into a script that somebody outside may choose", () => {
    for (const { steps } of Object.values(workflow.jobs)) {
      for (const { run } of steps) expect(run ?? "").not.toContain("${{");
    }
  });
});
