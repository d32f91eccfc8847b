import { defineConfig } from "vitest/config";

/**
 * Tests start real servers and processes on two cores. `npm test` (.ci/test) runs `clusters` and `together` side by side,
 * one file at a time each, then `alone`:
 *
 * - `clusters`: processes and servers that are started, killed and started again. They wait for half of their time, and
 *   one file at a time means that no cluster is beside another.
 * - `together`: all else beside the sources, with a server each at most.
 * - `alone` (`*-live`): what measures time, ratios or memory, with nothing beside it.
 */
const clusters = ["apps/*/e2e/**/*.test.ts", "apps/chassis/src/cluster/**/*.test.ts"];
const alone = ["apps/**/*-live.test.ts"];
const exclude = ["**/node_modules/**", "**/dist/**"];
const template = "apps/chassis/src/cluster/postgres/test-template";

export default defineConfig({
  ssr: { resolve: { conditions: ["quartet-source", "node", "default"] } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What must come is waited for, on a machine that is busy too; vitest's own limit is a second.
    expect: { poll: { timeout: 10_000 } },
    maxWorkers: 1,
    projects: [
      {
        extends: true,
        test: { name: "clusters", include: clusters, exclude: [...exclude, ...alone] },
      },
      {
        extends: true,
        test: {
          name: "together",
          include: ["apps/**/*.test.ts"],
          exclude: [...exclude, ...clusters, ...alone],
          globalSetup: `${template}-global.ts`,
          setupFiles: `${template}-setup.ts`,
        },
      },
      {
        extends: true,
        test: { name: "alone", include: alone, exclude },
      },
    ],
  },
});
