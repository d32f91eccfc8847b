import { expect, test } from "vitest";
import { QuartetError } from "../error/quartet-error.ts";
import { parseEnvironment } from "./environment.ts";

test("an empty environment has working defaults", () => {
  const { port, host, maxConnections, logLevel } = parseEnvironment({});
  expect({ port, host, maxConnections, logLevel }).toEqual({
    port: 8080,
    host: "0.0.0.0",
    maxConnections: 10,
    logLevel: "info",
  });
});

test("all faults are told at once, and no secret with them", () => {
  const error = catchError(() =>
    parseEnvironment(
      {
        DATABASE_URL: "mysql://app:hunter2@db/shop",
        PORT: "http",
        QUARTET_EXPECT_CLASS: "pico",
        QUARTET_SECRET: "hunter2",
        QUARTET_NANO_URLS: "ftp://nano",
        QUARTET_EXCEPTIONS: "nonsense",
        QUARTET_GATEWAY_URL: "gateway:80",
        QUARTET_POSITION_COOKIE: "where I am",
        QUARTET_LOG_LEVEL: "loud",
        QUARTET_MAX_CONNECTIONS: "0",
        QUARTET_ALLOW_PRIVATE: "10.0.0.0/8, intranet",
      },
      ["QUARTET_CRUD_URLS"],
    ),
  );
  const names = ["DATABASE_URL", "PORT", "QUARTET_EXPECT_CLASS", "QUARTET_SECRET", "QUARTET_NANO_URLS"];
  names.push(
    "QUARTET_EXCEPTIONS",
    "QUARTET_POSITION_COOKIE",
    "QUARTET_LOG_LEVEL",
    "QUARTET_MAX_CONNECTIONS",
    "QUARTET_CRUD_URLS",
    "intranet",
    "QUARTET_GATEWAY_URL",
  );
  for (const name of names) expect(error.message).toContain(name);
  expect(error.message).not.toContain("hunter2");
});

test("an events database without a main one is no class", () => {
  const error = catchError(() => parseEnvironment({ EVENTS_DATABASE_URL: "postgres://u@h/d" }));
  expect(error.message).toContain("EVENTS_DATABASE_URL is set, but DATABASE_URL is not");
});

function catchError(run: () => unknown): QuartetError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuartetError) return error;
  }
  throw new Error("it did not throw");
}
