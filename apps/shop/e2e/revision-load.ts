import type { OrderEdit, OrderModel } from "./order-model.ts";
import { type Answer, send } from "./send-request.ts";

export interface RevisionLoad {
  /** Edits that were answered with success so far, by build. */
  readonly done: { old: number; new: number };
  /** Every answer to an edit or a read that was no success. */
  readonly failures: readonly string[];
  /** Lets every client end its edit. */
  stop(): Promise<void>;
}

/** Starts one client of each build per order; each edits and reads it all the time, and records what it did. */
export function startRevisions(
  doors: { readonly old: string; readonly new?: string },
  models: readonly OrderModel[],
  seed: number,
): RevisionLoad {
  const failures: string[] = [];
  const done = { old: 0, new: 0 };
  let running = true;
  const runClient = async (build: "old" | "new", door: string, model: OrderModel, place: number) => {
    const below = randomFrom(seed + 31 * place + (build === "new" ? 7 : 0));
    for (let count = 1; running; count++) {
      const edit = sharedEdit(build, model, below) ?? ownEdit(build, model, count, below);
      const path = `${door}/v1/orders/${model.orderId}`;
      const answers = [await trySend("POST", `${path}:revise`, edit)];
      if (count % 3 === 0) answers.push(await trySend("GET", path));
      const wrong = answers.find((answer) => answer.status !== 200);
      if (wrong !== undefined) failures.push(`${build} ${edit.what}: ${wrong.status} ${wrong.text}`);
      model.record(edit);
      done[build] += 1;
    }
  };
  const clients = models.flatMap((model, place) => [
    runClient("old", doors.old, model, place),
    ...(doors.new === undefined ? [] : [runClient("new", doors.new, model, place)]),
  ]);
  return {
    done,
    failures,
    stop: async () => {
      running = false;
      await Promise.all(clients);
    },
  };
}

async function trySend(verb: string, url: string, json?: object): Promise<Pick<Answer, "status" | "text">> {
  try {
    return await send(verb, url, json === undefined ? {} : { json });
  } catch (error) {
    return { status: 0, text: String(error) };
  }
}

const badgeNames = ["loyal", "first"];
const maxOwnLines = 4;

/** In half of the cases an edit of what both builds know. Only who added a line removes it, so that the model knows. */
function sharedEdit(build: string, model: OrderModel, below: Below): OrderEdit | undefined {
  const lines = [...model.lines.keys()];
  const mine = lines.filter((sku) => sku.startsWith(build));
  if (mine.length > maxOwnLines) return { what: "trim", text: pick(mine, below) };
  const edits = [
    { what: "addLine", text: `${build}-${model.nextLine()}` },
    { what: "score", text: pick(badgeNames, below), number: 1 },
    { what: "count", text: lines.length === 0 ? "none" : pick(lines, below) },
  ];
  return edits[below(edits.length * 2)];
}

function ownEdit(build: "old" | "new", model: OrderModel, count: number, below: Below): OrderEdit {
  const text = `${build} ${count}`;
  const name = pick(badgeNames, below);
  if (build === "old") {
    return pick(
      [
        { what: "note", text },
        { what: "badge", text: name, number: count },
        { what: "placed" },
        { what: "attach", text },
        { what: model.flies ? "note" : "send", text },
      ],
      below,
    );
  }
  const engrave = { what: "engrave", text: pick(["none", ...model.lines.keys()], below), number: count };
  return pick(
    [
      engrave,
      engrave,
      { what: "gift", text },
      { what: "rank", text: name, number: count },
      { what: "returned" },
      { what: "attachGift", text },
      model.courier === "" ? engrave : { what: "floor", number: count },
    ],
    below,
  );
}

/** A random whole number below a count. */
type Below = (count: number) => number;

function pick<T>(values: readonly T[], below: Below): T {
  return values[below(values.length)] as T; // never empty
}

/** The same numbers for the same seed. */
function randomFrom(seed: number): Below {
  let state = seed % 2_147_483_647 || 1;
  return (count) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % Math.max(1, count);
  };
}
