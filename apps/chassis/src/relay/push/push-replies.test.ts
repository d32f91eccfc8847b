import { describe, expect, test } from "vitest";
import { encodeBatch, encodeBinary, encodeStructured } from "../../wire/cloud-event/cloud-event.ts";
import { http } from "./test-endpoint.ts";
import { answering, closed, push } from "./test-push.ts";

describe("replies", () => {
  const replies = { replies: true };
  const reply = {
    id: "r1",
    source: "/lambda",
    type: "shop.v1.Packed",
    extensions: {},
    data: Buffer.from("{}"),
  };
  const answered = (status: number, { headers, body }: ReturnType<typeof encodeBatch>) =>
    http(status, headers, Buffer.from(body).toString());

  test.each([
    ["structured", encodeStructured({ ...reply, dataContentType: "application/json" }), 1],
    ["binary", encodeBinary({ ...reply, dataContentType: "application/json" }), 1],
    ["batch", encodeBatch([reply, { ...reply, id: "r2" }]), 2],
  ])("come with a 200 in %s mode", async (_, encoded, count) => {
    await using endpoint = await answering(answered(200, encoded));
    const answer = await push(endpoint, { subscription: replies });
    expect(answer.outcomes).toEqual([{ kind: "acknowledged" }]);
    expect(answer.replies.map(({ id }) => id)).toEqual(["r1", "r2"].slice(0, count));
    expect(endpoint.requests[0]?.headers["prefer"]).toBe("reply");
  });

  test("are not looked for in a 202, nor where the subscription does not ask for them", async () => {
    const encoded = encodeStructured(reply);
    for (const [status, subscription] of [
      [202, replies],
      [200, {}],
    ] as const) {
      await using endpoint = await answering(answered(status, encoded));
      const answer = await push(endpoint, { subscription });
      expect(answer).toMatchObject({ outcomes: [{ kind: "acknowledged" }], replies: [] });
    }
  });

  test("a 200 that is no CloudEvents, or none at all, is an acknowledgement", async () => {
    for (const text of [http(200), http(204), http(200, { "content-type": "text/html" }, "<p>")]) {
      await using endpoint = await answering(text);
      expect(await push(endpoint, { subscription: replies })).toMatchObject({
        outcomes: [{ kind: "acknowledged" }],
        replies: [],
      });
    }
  });

  test("that are not valid refuse the event, and say why", async () => {
    await using endpoint = await answering(
      http(200, { "content-type": "application/cloudevents+json" }, "{"),
    );
    expect((await push(endpoint, { subscription: replies })).outcomes).toMatchObject([
      { kind: "refused", status: 200, answer: expect.stringContaining("not CloudEvents") },
    ]);
  });

  test("that are longer than 8 MiB refuse the event", async () => {
    const headers = { "content-type": "application/cloudevents+json" };
    await using endpoint = await answering(http(200, headers, "x".repeat(8 * 1_048_576 + 1)));
    const answer = await push(endpoint, { subscription: replies, timeoutMs: 20_000 });
    expect(answer.outcomes).toMatchObject([{ kind: "refused", answer: expect.stringContaining("longer") }]);
    await closed(endpoint);
  });

  test("that do not come whole acknowledge nothing", async () => {
    await using endpoint = await answering(answered(200, encodeStructured(reply)).slice(0, -5));
    const answer = await push(endpoint, { subscription: replies, timeoutMs: 200 });
    expect(answer).toMatchObject({ endpoint: "overloaded", outcomes: [{ kind: "away" }], replies: [] });
    await closed(endpoint);
  });
});
