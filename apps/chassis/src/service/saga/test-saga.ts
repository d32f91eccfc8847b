import { createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import { buildTestFile, testImports } from "../../schema/test-file.ts";

const event = { event: { key: "id" }, fields: { id: "string", text: "string" } };

const registry = createFileRegistry(
  buildTestFile("trips/v1/trips", {
    enums: {},
    messages: {
      Started: event,
      Cancelled: event,
      Done: event,
      Failed: event,
      Flown: event,
      Book: { fields: { id: "string", text: "string" } },
      Booking: {
        table: { name: "trips.bookings", key: ["id"] },
        fields: { id: "string", text: "string" },
      },
    },
    methods: {},
  }),
  (name) => testImports.find((known) => known.proto.name === name),
);

/** Messages of a domain of trips: the events of its saga, all with the key `id`, and a table with the input of its write. */
export const tripFile = fileNamed("trips/v1/trips.proto");
export const StartedSchema = messageNamed("trips.v1.Started");
export const CancelledSchema = messageNamed("trips.v1.Cancelled");
export const DoneSchema = messageNamed("trips.v1.Done");
export const FailedSchema = messageNamed("trips.v1.Failed");
export const FlownSchema = messageNamed("trips.v1.Flown");
export const BookSchema = messageNamed("trips.v1.Book");
export const BookingSchema = messageNamed("trips.v1.Booking");

function fileNamed(name: string) {
  const file = registry.getFile(name);
  if (file === undefined) throw new Error(`there is no ${name}`);
  return file;
}

function messageNamed(name: string): DescMessage {
  const message = registry.getMessage(name);
  if (message === undefined) throw new Error(`there is no ${name}`);
  return message;
}
