import { expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { captureError, captureFault, sqlStateError, stalledError } from "./capture-fault.ts";

test.each([
  ["55006", 'replication slot "a" is active for PID 1', "slot_active"],
  ["55000", 'can no longer access replication slot "a"', "slot_lost"],
  ["55000", 'can no longer get changes from replication slot "a"', "slot_lost"],
  ["55000", 'logical decoding requires "wal_level" >= "logical"', "other"],
  ["42704", 'replication slot "a" does not exist', "slot_missing"],
  ["42704", 'publication "a" does not exist', "publication_missing"],
  ["57P01", "terminating connection due to administrator command", "connection"],
  ["08006", "gone", "connection"],
  ["ECONNRESET", "read ECONNRESET", "connection"],
  ["28P01", "password authentication failed", "other"],
])("%s %s is %s", (code, message, fault) => {
  expect(captureFault(sqlStateError(code, message))).toBe(fault);
  expect(captureFault(captureError("Cannot capture", sqlStateError(code, message)))).toBe(fault);
});

test("a server that translates its messages is told by the routine that raised them", () => {
  const lost = Object.assign(sqlStateError("55000", "kein Zugriff mehr"), {
    routine: "ReplicationSlotAcquire",
  });
  expect(captureFault(lost)).toBe("slot_lost");
  const missing = Object.assign(sqlStateError("42704", "existiert nicht"), {
    routine: "get_publication_oid",
  });
  expect(captureFault(missing)).toBe("publication_missing");
});

test("a socket that ended without a code is a lost connection", () => {
  expect(captureFault(new Error("Connection terminated unexpectedly"))).toBe("connection");
});

test("what is not an error, or has a circle of causes, is other", () => {
  expect([null, undefined, "55006", 55006].map(captureFault)).toEqual(["other", "other", "other", "other"]);
  const circle = new Error("circle");
  circle.cause = circle;
  expect(captureFault(circle)).toBe("other");
});

test("the public error is unavailable and keeps its cause; one that is public already stays as it is", () => {
  const cause = sqlStateError("08006", "gone");
  expect(captureError("Cannot capture", cause)).toMatchObject({ code: "unavailable", retry: true, cause });
  const refused = new QuartetError("failed_precondition", "no");
  expect(captureError("Cannot capture", refused)).toBe(refused);
});

test("a stream that was found to stand still is stalled", () => {
  expect(captureFault(captureError("Cannot capture", stalledError("nothing for 30 s")))).toBe("stalled");
});
