import express from "express";
import { Pool } from "pg";
import { openListener } from "../../src/edge/listen.ts";
import { serveChild } from "../harness/child.ts";
import { watchUsage } from "../harness/process-usage.ts";
import type { Note } from "./note-domain.ts";

export interface BareSettings {
  readonly databaseUrl: string;
  readonly maxConnections: number;
}

export const bareTableSql =
  "create table if not exists bare_notes (id text primary key, text text not null, number integer not null)";

const stack = new AsyncDisposableStack();

/** What ours is compared with: an Express 5 handler that does one INSERT, by a named statement of a pool of pg. */
serveChild({
  start: async ({ databaseUrl, maxConnections }: BareSettings) => {
    const pool = new Pool({ connectionString: databaseUrl, max: maxConnections });
    pool.on("error", () => undefined);
    stack.defer(() => pool.end());
    const app = express();
    app.use(express.json());
    app.post("/v1/notes", async (request, response) => {
      const { id, text, number } = request.body as Note;
      await pool.query({
        name: "insert note",
        text: "insert into bare_notes (id, text, number) values ($1, $2, $3)",
        values: [id, text, number],
      });
      response.status(201).json({ id });
    });
    const listener = stack.use(await openListener(app, 0, "127.0.0.1"));
    return listener.port;
  },
  readUsage: watchUsage(),
  stop: () => stack.disposeAsync(),
});
