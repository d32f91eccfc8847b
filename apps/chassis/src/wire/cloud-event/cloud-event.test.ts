import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type CloudEvent,
  decodeCloudEvents,
  encodeBatch,
  encodeBinary,
  encodeStructured,
} from "./cloud-event.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array) => new TextDecoder().decode(body);

const event: CloudEvent = {
  id: "1234-1234-1234",
  source: "/mycontext/subcontext",
  type: "com.example.someevent",
  time: "2018-04-05T03:56:24Z",
  dataContentType: "application/json; charset=utf-8",
  extensions: { partitionkey: "order 7" },
  data: bytes('{"big":12345678901234567890,"a":1,"a":2}'),
};
const minimal: CloudEvent = { id: "1", source: "/s", type: "t", extensions: {}, data: undefined };
const headers = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t" };
const envelope = { specversion: "1.0", id: "1", source: "/s", type: "t" };
const structured = { "content-type": "application/cloudevents+json" };
const batched = { "content-type": "application/cloudevents-batch+json; charset=UTF-8" };

function refusal(run: () => unknown): QuartetError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuartetError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function decodeOne(given: Parameters<typeof decodeCloudEvents>[0], body: Uint8Array | string): CloudEvent {
  const [first, ...more] = decodeCloudEvents(given, typeof body === "string" ? bytes(body) : body);
  if (first === undefined || more.length > 0) throw new Error("not one event");
  return first;
}

const decodeMembers = (members: object) => decodeOne(structured, JSON.stringify({ ...envelope, ...members }));

describe("binary mode", () => {
  it("maps attributes to headers and leaves the data alone", () => {
    expect(encodeBinary(event)).toEqual({
      headers: {
        "ce-specversion": "1.0",
        "ce-id": "1234-1234-1234",
        "ce-source": "/mycontext/subcontext",
        "ce-type": "com.example.someevent",
        "ce-time": "2018-04-05T03:56:24Z",
        "ce-partitionkey": "order%207",
        "content-type": "application/json; charset=utf-8",
      },
      body: event.data,
    });
  });

  it("percent-encodes the specification's own example", () => {
    const subject = "Euro € 😀";
    expect(encodeBinary({ ...minimal, subject }).headers["ce-subject"]).toBe(
      "Euro%20%E2%82%AC%20%F0%9F%98%80",
    );
    expect(decodeOne({ ...headers, "ce-subject": "Euro%20%e2%82%ac%20%F0%9f%98%80" }, "").subject).toBe(
      subject,
    );
  });

  it.each([
    ["needless escapes", "%41b", "Ab"],
    ["bare spaces, which older senders left", "a b", "a b"],
    ["a quoted string with escapes, as older senders wrote", '"a \\"b\\" \\\\ %25"', 'a "b" \\ %'],
    ["one round of encoding only", "%2541", "%41"],
    ["nothing", "", ""],
  ])("decodes %s", (_, raw, value) => {
    expect(decodeOne({ ...headers, "ce-ext": raw }, "").extensions["ext"]).toBe(value);
  });

  it.each([
    ["overlong UTF-8", "%C0%A0"],
    ["half a surrogate pair", "%ED%A0%80"],
    ["a malformed escape", "100%"],
    ["an escape that is no hexadecimal", "%zz"],
    ["a raw character beyond ASCII", "caf\u00e9"],
    ["an unclosed quote", '"abc'],
    ["a tab", "a\tb"],
    ["an encoded control character", "a%00b"],
    ["an encoded noncharacter", "%EF%BF%BE"],
  ])("refuses a header value with %s", (_, raw) => {
    const error = refusal(() => decodeOne({ ...headers, "ce-ext": raw }, ""));
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe("ce-ext");
  });

  it.each<[string, Record<string, string | string[] | undefined>, string]>([
    ["no specversion", { "ce-specversion": undefined }, "ce-specversion"],
    ["another specversion", { "ce-specversion": "0.3" }, "ce-specversion"],
    ["no id", { "ce-id": undefined }, "ce-id"],
    ["an empty source", { "ce-source": "" }, "ce-source"],
    ["no type", { "ce-type": undefined }, "ce-type"],
    ["an empty subject", { "ce-subject": "" }, "ce-subject"],
    ["an empty dataschema", { "ce-dataschema": "" }, "ce-dataschema"],
    ["a header twice", { "ce-id": ["1", "2"] }, "ce-id"],
    ["a header in two cases", { "CE-ID": "1" }, "ce-id"],
    ["a content type in two cases", { "content-type": "text/plain", "Content-Type": "a/b" }, "content-type"],
    ["a ce-datacontenttype", { "ce-datacontenttype": "text/plain" }, "ce-datacontenttype"],
    ["an attribute called data", { "ce-data": "x" }, "ce-data"],
    ["an attribute with a hyphen", { "ce-my-ext": "x" }, "ce-my-ext"],
    ["an attribute without a name", { "ce-": "x" }, "ce-"],
    ["a name of 21 characters", { "ce-abcdefghijklmnopqrstu": "x" }, "ce-abcdefghijklmnopqrstu"],
    ["a content type that is none", { "content-type": "json" }, "content-type"],
  ])("refuses %s", (_, changed, field) => {
    const error = refusal(() => decodeOne({ ...headers, ...changed }, "x"));
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
  });

  it("takes header names in any case, and a list of one", () => {
    const { "ce-id": id, ...rest } = headers;
    expect(decodeOne({ ...rest, "CE-Id": [id], "Content-Type": "text/plain" }, "x")).toEqual({
      ...minimal,
      dataContentType: "text/plain",
      data: bytes("x"),
    });
  });

  it("has no data when the body is empty", () => {
    expect(decodeOne(headers, "").data).toBeUndefined();
  });

  it("is not left by an attribute called constructor", () => {
    const decoded = decodeOne({ ...headers, "ce-constructor": "x" }, "");
    expect(decoded.extensions["constructor"]).toBe("x");
    expect(decodeOne(headers, "").extensions["constructor"]).toBeUndefined();
  });

  it("cannot carry data that is itself CloudEvents", () => {
    const nested = { ...event, dataContentType: "application/cloudevents+json" };
    expect(refusal(() => encodeBinary(nested)).field).toBe("datacontenttype");
  });
});

describe("time", () => {
  it.each([
    "2018-04-05T17:31:00Z",
    "2018-04-05t17:31:00.123456789z",
    "2018-04-05T17:31:00+05:30",
    "2024-02-29T00:00:00-23:59",
    "2000-02-29T23:59:59Z",
  ])("%s is valid", (time) => {
    expect(decodeOne({ ...headers, "ce-time": time }, "").time).toBe(time);
    expect(Number.isNaN(Date.parse(time))).toBe(false);
  });

  it.each([
    "now",
    "2018-04-05",
    "2018-04-05T17:31:00",
    "2018-04-05 17:31:00Z",
    "2018-4-5T17:31:00Z",
    "2018-13-05T17:31:00Z",
    "2018-00-05T17:31:00Z",
    "2023-02-29T17:31:00Z",
    "1900-02-29T17:31:00Z",
    "2018-04-31T17:31:00Z",
    "2018-04-05T24:00:00Z",
    "2018-04-05T17:60:00Z",
    "2016-12-31T23:59:60Z",
    "2018-04-05T17:31:00.Z",
    "2018-04-05T17:31:00+24:00",
    "2018-04-05T17:31:00+0530",
    "2018-04-05T17:31:00Z ",
  ])("%s is not", (time) => {
    expect(refusal(() => decodeMembers({ time })).field).toBe("time");
    expect(refusal(() => encodeBinary({ ...minimal, time })).field).toBe("time");
  });
});

describe("structured mode", () => {
  it("embeds JSON data as the text it is, and gives the same bytes back", () => {
    const { headers: sent, body } = encodeStructured(event);
    expect(sent).toEqual({ "content-type": "application/cloudevents+json; charset=utf-8" });
    expect(text(body)).toContain('"data":{"big":12345678901234567890,"a":1,"a":2}}');
    expect(decodeOne(sent, body)).toEqual(event);
  });

  it("sends other bytes as base64", () => {
    const png = { ...minimal, dataContentType: "image/png", data: Uint8Array.of(0, 255, 128) };
    expect(JSON.parse(text(encodeStructured(png).body))).toMatchObject({ data_base64: "AP+A" });
    const broken = { ...minimal, dataContentType: "application/json", data: bytes("{") };
    expect(JSON.parse(text(encodeStructured(broken).body))).toMatchObject({ data_base64: "ew==" });
  });

  it("reads the specification's examples", () => {
    const json = '{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","subject":null,';
    const rest = '"id":"C234-1234-1234","comexampleextension1":"value","comexampleothervalue":5,"flag":true,';
    const shared = {
      id: "C234-1234-1234",
      source: "/mycontext",
      type: "com.example.someevent",
      extensions: { comexampleextension1: "value", comexampleothervalue: "5", flag: "true" },
    };
    expect(decodeOne(structured, `${json}${rest}"data":"I'm just a string"}`)).toEqual({
      ...shared,
      dataContentType: "application/json",
      data: bytes(`"I'm just a string"`),
    });
    expect(
      decodeOne(
        structured,
        `${json}${rest}"datacontenttype":"application/xml","data":"<much wow=\\"xml\\"/>"}`,
      ),
    ).toEqual({
      ...shared,
      dataContentType: "application/xml",
      data: bytes('<much wow="xml"/>'),
    });
    expect(decodeOne(structured, `${json}${rest}"data":null }`).data).toEqual(bytes("null"));
    expect(decodeOne(structured, `${json}${rest}"data_base64":""}`).data).toEqual(bytes(""));
    expect(decodeOne(structured, `${json}${rest}"x":null}`)).toEqual({ ...shared, data: undefined });
  });

  it.each<[string, object, string]>([
    ["a number as a core attribute", { id: 5 }, "id"],
    ["null as the id", { id: null }, "id"],
    ["another specversion", { specversion: "2.0" }, "specversion"],
    ["a fraction", { ext: 1.5 }, "ext"],
    ["an integer of more than 32 bits", { ext: 2147483648 }, "ext"],
    ["a boolean as a core attribute", { subject: true }, "subject"],
    ["an object", { ext: {} }, "ext"],
    ["an array", { ext: [] }, "ext"],
    ["an upper-case name", { myExt: "x" }, "myExt"],
    ["an empty name", { "": "x" }, ""],
    ["half a surrogate pair", { ext: "\ud800" }, "ext"],
    ["U+0000", { ext: "\0" }, "ext"],
    ["both kinds of data", { data: 1, data_base64: "AA==" }, "data"],
    ["base64 that is none", { data_base64: "A" }, "data_base64"],
    ["base64 that is no string", { data_base64: 5 }, "data_base64"],
    ["an object as text", { datacontenttype: "text/plain", data: {} }, "data"],
    ["a media type that is none", { datacontenttype: "text" }, "datacontenttype"],
  ])("refuses %s", (_, members, field) => {
    const error = refusal(() => decodeMembers(members));
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
  });

  it("refuses a member that is given twice, however it is spelled", () => {
    const body = JSON.stringify(envelope).replace("}", ',"\\u0069d":"2"}');
    expect(refusal(() => decodeOne(structured, body)).field).toBe("id");
  });

  it("refuses an integer that is not written as one", () => {
    for (const number of ["1.0", "1e3", "5E0"]) {
      const body = JSON.stringify(envelope).replace("}", `,"ext":${number}}`);
      expect(refusal(() => decodeOne(structured, body)).field).toBe("ext");
    }
    const zero = JSON.stringify(envelope).replace("}", ',"ext":-0}');
    expect(decodeOne(structured, zero).extensions["ext"]).toBe("0");
  });

  it("finds data under a name with escapes", () => {
    const body = JSON.stringify(envelope).replace("}", ',"d\\u0061ta" : [1.0, "\\u0061"] }');
    expect(decodeOne(structured, body).data).toEqual(bytes('[1.0, "\\u0061"]'));
  });

  it("refuses an attribute whose escapes spell what is forbidden", () => {
    const body = JSON.stringify(envelope).replace("}", ',"ext":"a\\u0000"}');
    expect(refusal(() => decodeOne(structured, body)).field).toBe("ext");
  });

  it("refuses __proto__ as a name and touches no prototype", () => {
    const body = JSON.stringify(envelope).replace("}", ',"__proto__":"x"}');
    expect(refusal(() => decodeOne(structured, body)).field).toBe("__proto__");
  });

  it.each(["", "{", "[]", "5", '"x"', "null", `${JSON.stringify(envelope)} x`])(
    "refuses the body %j",
    (body) => {
      expect(refusal(() => decodeOne(structured, body)).code).toBe("malformed_body");
    },
  );

  it("refuses a body that is not UTF-8", () => {
    const body = Uint8Array.of(...bytes('{"id":"'), 0xff, ...bytes('"}'));
    expect(refusal(() => decodeOne(structured, body)).code).toBe("malformed_body");
  });

  it.each([
    "application/cloudevents+avro",
    "application/cloudevents",
    "application/cloudevents+json; charset=utf-16",
  ])("refuses %s as a media type", (type) => {
    const error = refusal(() => decodeOne({ "content-type": type }, JSON.stringify(envelope)));
    expect(error.code).toBe("unsupported_media_type");
  });
});

describe("batched mode", () => {
  it("carries none, one and many, in order", () => {
    for (const events of [[], [event], [event, minimal, event]]) {
      const { headers: sent, body } = encodeBatch(events);
      expect(sent).toEqual({ "content-type": "application/cloudevents-batch+json; charset=utf-8" });
      expect(decodeCloudEvents(sent, body)).toEqual(events);
    }
  });

  it("keeps the bytes of data, wherever in the body and in memory they are", () => {
    const data = ['{"a": [1.50, "}\\"]"]}', '"x"', '{"name":"Jörg 😀"}', "[ ]"];
    for (const shown of [data, data.filter((json) => /^[ -~]*$/.test(json))]) {
      const events = shown.map((json) => `{"data" : ${json} ,${JSON.stringify(envelope).slice(1)}`);
      const message = bytes(`\r\n [ ${events.join(" ,\n ")} ]\n`);
      for (const before of [0, 7]) {
        const memory = new Uint8Array(before + message.length + 9);
        memory.set(message, before);
        const decoded = decodeCloudEvents(batched, memory.subarray(before, before + message.length));
        expect(decoded.map((one) => one.data)).toEqual(shown.map(bytes));
      }
    }
  });

  it("takes a body with a byte order mark", () => {
    const body = bytes(`\ufeff[{"data":{"a":1},${JSON.stringify(envelope).slice(1)}]`);
    expect(decodeCloudEvents(batched, body)[0]?.data).toEqual(bytes('{"a":1}'));
  });

  it("names a member that is given twice, also one without a name", () => {
    const twice = (member: string) => JSON.stringify(envelope).replace("}", `,${member},${member}}`);
    const first = refusal(() => decodeCloudEvents(batched, bytes(`[${twice('"data":1')}]`)));
    expect(first.field).toBe("[0].data");
    const nameless = refusal(() => decodeCloudEvents(batched, bytes(`[${twice('"":1,"x":1')}]`)));
    expect(nameless.field).toBe("[0].");
  });

  it("says which event is wrong", () => {
    const body = bytes(JSON.stringify([envelope, envelope, { ...envelope, id: "" }]));
    expect(refusal(() => decodeCloudEvents(batched, body)).field).toBe("[2].id");
    const notAnEvent = refusal(() => decodeCloudEvents(batched, bytes(JSON.stringify([envelope, 5]))));
    expect(notAnEvent.code).toBe("malformed_body");
    expect(notAnEvent.field).toBe("[1]");
  });

  it("refuses what is no array", () => {
    expect(refusal(() => decodeCloudEvents(batched, bytes(JSON.stringify(envelope)))).code).toBe(
      "malformed_body",
    );
  });
});

describe("encoding", () => {
  it.each<[string, Partial<CloudEvent>, string]>([
    ["an empty id", { id: "" }, "id"],
    ["an empty subject", { subject: "" }, "subject"],
    ["an extension with the name of an attribute", { extensions: { id: "2" } }, "id"],
    ["an extension called data", { extensions: { data: "2" } }, "data"],
    ["an extension with a hyphen", { extensions: { "a-b": "2" } }, "a-b"],
    ["a line break", { subject: "a\r\nb" }, "subject"],
    ["half a surrogate pair", { subject: "\ud800" }, "subject"],
    ["a content type with a line break", { dataContentType: "text/plain\r\nx: y" }, "datacontenttype"],
  ])("refuses %s in every mode", (_, changed, field) => {
    for (const encode of [encodeBinary, encodeStructured, (bad: CloudEvent) => encodeBatch([bad])]) {
      const error = refusal(() => encode({ ...minimal, ...changed }));
      expect(error.code).toBe("invalid_argument");
      expect(error.field).toBe(field);
    }
  });
});

const value = fc
  .string({ unit: "binary" })
  .map((raw) => raw.replace(/[\p{Cc}\p{Noncharacter_Code_Point}]/gu, "."));
const filled = value.filter((raw) => raw !== "");
const json = fc.json().map(bytes);
const reserved = [
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
  "data",
];
const name = fc
  .oneof(fc.constant("constructor"), fc.stringMatching(/^[a-z0-9]{1,20}$/))
  .filter((raw) => !reserved.includes(raw));
const arbitrary: fc.Arbitrary<CloudEvent> = fc.record(
  {
    id: filled,
    source: filled,
    type: filled,
    subject: filled,
    time: fc
      .date({ min: new Date(0), max: new Date("9999-01-01T00:00:00Z"), noInvalidDate: true })
      .map((date) => date.toISOString()),
    dataContentType: fc.constantFrom(
      "application/json",
      "text/plain; charset=utf-8",
      "application/a+json",
      'a/b; c="d e"',
    ),
    dataSchema: filled,
    extensions: fc.dictionary(name, value),
    data: fc.oneof(
      json,
      fc.uint8Array({ minLength: 1 }),
      fc.constant(undefined),
      fc.constant(bytes(' [1e400, "x" ] ')),
    ),
  },
  { requiredKeys: ["id", "source", "type", "extensions", "data"] },
);

describe("decoding undoes encoding", () => {
  const plain = (events: readonly CloudEvent[]) =>
    events.map((given) => ({ ...given, data: given.data && [...given.data] }));

  it("in binary and structured mode", () => {
    fc.assert(
      fc.property(arbitrary, (given) => {
        for (const encode of [encodeBinary, encodeStructured]) {
          const { headers: sent, body } = encode(given);
          for (const header of Object.values(sent)) expect(header).toMatch(/^[\x20-\x7e]*$/);
          expect(plain(decodeCloudEvents(sent, body))).toEqual(plain([given]));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("in batched mode", () => {
    fc.assert(
      fc.property(fc.array(arbitrary, { maxLength: 5 }), (given) => {
        const { headers: sent, body } = encodeBatch(given);
        expect(plain(decodeCloudEvents(sent, body))).toEqual(plain(given));
      }),
    );
  });
});

describe("decodeCloudEvents", () => {
  const contentType = fc.constantFrom(
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/plain",
    "",
  );
  const neverCrashes = (given: Record<string, string | string[] | undefined>, body: Uint8Array) => {
    try {
      decodeCloudEvents(given, body);
    } catch (error) {
      expect(error).toBeInstanceOf(QuartetError);
    }
  };

  it("throws nothing but QuartetError, whatever the headers", () => {
    const latin1 = fc.uint8Array().map((raw) => Buffer.from(raw).toString("latin1"));
    const raw = fc.oneof(latin1, fc.string({ unit: "binary" }), fc.stringMatching(/^[%"\\ 0-9a-fA-F]*$/));
    const header = fc.oneof(raw, fc.array(raw, { maxLength: 2 }), fc.constant(undefined));
    const names = fc.oneof(
      fc.constantFrom("ce-id", "ce-time", "ce-ext", "CE-Source", "content-type", "__proto__"),
      fc.string().map((tail) => `ce-${tail}`),
    );
    fc.assert(
      fc.property(fc.dictionary(names, header), fc.boolean(), fc.uint8Array(), (given, complete, body) => {
        neverCrashes(complete ? { ...given, ...headers } : given, body);
      }),
      { numRuns: 2000 },
    );
  });

  it("throws nothing but QuartetError, whatever the body", () => {
    const member = fc.constantFrom(...reserved, "data_base64", "ext", "__proto__", "constructor");
    const object = fc.dictionary(member, fc.jsonValue()).map((members) => ({ ...envelope, ...members }));
    const body = fc.oneof(
      fc.uint8Array(),
      json,
      object.map((members) => bytes(JSON.stringify(members))),
      fc.array(object).map((members) => bytes(JSON.stringify(members))),
    );
    fc.assert(
      fc.property(contentType, body, (type, sent) =>
        neverCrashes({ ...headers, "content-type": type }, sent),
      ),
      { numRuns: 2000 },
    );
  });
});
