import { defineConfig } from "vitest/config";

/** Tests start real servers and processes on two cores: one file at a time, so that none waits for another's. */
export default defineConfig({
  ssr: { resolve: { conditions: ["quartet-source", "node", "default"] } },
  test: {
    include: ["apps/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
