import type { Unrest } from "./await-quiet.ts";
import type { Books, EventRow } from "./books.ts";
import { type Check, checkEach, checkNone } from "./check.ts";

/** Events that the crud class gives their effect, in its inbox. */
const intentTypes: ReadonlySet<string> = new Set(["quartet.v1.Intent", "quartet.v1.CommandFailed"]);

/** They come by themselves, also while the books are read. */
const timeoutType = "quartet.v1.SagaTimeout";

/** No event is lost or there twice, and each had its effect once. */
export function balanceEvents(books: Books, unrest: Unrest): readonly Check[] {
  const logged = new Map<string, number>();
  for (const { id } of books.log) logged.set(id, (logged.get(id) ?? 0) + 1);
  const published = new Set(books.outbox.map(({ id }) => id));
  return [
    checkNone("left to do", leftovers(unrest)),
    checkEach("events of the outboxes, once in the log", books.outbox, ({ id, type }) =>
      logged.get(id) === 1 ? undefined : `${type} ${id} is in the log ${logged.get(id) ?? 0} times`,
    ),
    checkNone(
      "events of the log that no outbox has",
      books.log.filter(({ id }) => !published.has(id)).map(({ id, type }) => `${type} ${id}`),
    ),
    checkEach("deliveries with their effect", deliveriesOf(books), (delivery) =>
      books.effects.has(delivery) ? undefined : delivery,
    ),
    checkNone(
      "dead letters",
      books.deadLetters.map(
        ({ subscription, eventType, eventId, attempts, lastStatus, lastAnswer }) =>
          `${subscription}: ${eventType} ${eventId} after ${attempts} attempts: ${lastStatus} ${lastAnswer}`,
      ),
    ),
  ];
}

/** `consumer event-id` of every effect there must be; the key of the inbox says that there are not two. */
function deliveriesOf(books: Books): readonly string[] {
  const consumersOf = ({ type }: EventRow) => {
    if (intentTypes.has(type)) return ["intents"];
    return [...books.reactions].filter(([, types]) => types.includes(type)).map(([name]) => name);
  };
  return books.log
    .filter(({ type, delayed }) => !delayed && type !== timeoutType)
    .flatMap((event) => consumersOf(event).map((consumer) => `${consumer} ${event.id}`));
}

function leftovers(unrest: Unrest): string[] {
  return Object.entries(unrest)
    .filter(([, count]) => count !== 0)
    .map(([what, count]) => `${what}: ${count}`);
}
