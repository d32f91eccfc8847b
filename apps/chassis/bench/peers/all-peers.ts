import { bullmqPostgres, bullmqRedis } from "./bullmq.ts";
import { dbos } from "./dbos.ts";
import { emmett } from "./emmett.ts";
import { graphileWorker } from "./graphile-worker.ts";
import type { Peer } from "./peer.ts";
import { pgBoss, pgBossBatch } from "./pg-boss.ts";
import { pgTransactionalOutbox } from "./pg-transactional-outbox.ts";

export const allPeers: readonly Peer[] = [
  pgBoss,
  pgBossBatch,
  graphileWorker,
  bullmqPostgres,
  bullmqRedis,
  emmett,
  dbos,
  pgTransactionalOutbox,
];
