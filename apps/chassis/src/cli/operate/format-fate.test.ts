import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeliveryState, GetOperationDeliveriesResponseSchema } from "../../gen/quartet/v1/relay_admin_pb.ts";
import { formatFate } from "./format-fate.ts";

test("an operation's fate is a line for each event, and under it one for each subscription", () => {
  const failure = {
    attempts: 3,
    lastStatus: 503,
    lastAnswer: "\x1b[2Jaway",
    destination: "https://x.example/",
  };
  const dueTime = timestampFromDate(new Date("2026-01-02T03:04:05Z"));
  const fate = create(GetOperationDeliveriesResponseSchema, {
    events: [
      {
        sequence: 7n,
        eventId: "e1",
        eventType: "shop.v1.OrderPlaced",
        eventKey: "o1",
        deliveries: [
          { subscription: "a", state: DeliveryState.DELIVERED },
          { subscription: "b", state: DeliveryState.WAITING },
          { subscription: "c", state: DeliveryState.PARKED, ...failure, dueTime },
          { subscription: "d", state: DeliveryState.PARKED },
          { subscription: "e", state: DeliveryState.DEAD, ...failure, lastStatus: 0, deadLetterId: "l1" },
        ],
      },
    ],
  });
  const lines = formatFate(fate)
    .split("\n")
    .map((line) => line.replaceAll(/ {2,}/g, "  ").trim());
  expect(lines.slice(1)).toEqual([
    "shop.v1.OrderPlaced  #7  key o1, id e1",
    "a  delivered",
    "b  waiting",
    "c  parked  3 attempts: 503  [2Jaway (https://x.example/); again at 2026-01-02T03:04:05.000Z",
    "d  parked  behind another of its key, or not tried yet",
    "e  dead  3 attempts: no answer  [2Jaway (https://x.example/); dead letter l1",
  ]);
  expect(formatFate(create(GetOperationDeliveriesResponseSchema))).toContain("no event");
});
