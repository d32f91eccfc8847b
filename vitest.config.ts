import { defineConfig } from "vitest/config";

/**
 * Tests start real servers and processes on two cores. Those beside the sources have a server each and may run two files
 * at a time; those that span processes, or measure what others wait, run one file at a time, after them.
 */
const alone = ["apps/*/e2e/**/*.test.ts", "apps/**/*-live.test.ts"];
const exclude = ["**/node_modules/**", "**/dist/**"];

export default defineConfig({
  ssr: { resolve: { conditions: ["quartet-source", "node", "default"] } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "together",
          include: ["apps/**/*.test.ts"],
          exclude: [...exclude, ...alone],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: alone,
          exclude,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
