/** What is known of an order's line. */
export interface LineModel {
  quantity: number;
  engraving: number;
}

/** An edit of an order, as `revisions.proto` carries it. */
export interface OrderEdit {
  readonly what: string;
  readonly text?: string;
  readonly number?: number;
}

/** What two builds have made of one order: all of their edits that were answered with success, in any order. */
export class OrderModel {
  readonly orderId: string;
  readonly lines = new Map<string, LineModel>();
  readonly score = new Map<string, number>();
  readonly badge = new Map<string, number>();
  readonly rank = new Map<string, number>();
  readonly attached = { old: 0, gifts: 0 };
  readonly trail = { placed: 0, returned: 0 };
  note = "";
  gift = "";
  courier = "";
  floor = 0;
  #lines = 0;

  constructor(orderId: string) {
    this.orderId = orderId;
  }

  /** Delivered by a member of a oneof that the old build does not know, and in a status that it does not know. */
  get flies(): boolean {
    return this.orderId.endsWith("flies");
  }

  /** A number no line of this order has had: a line that one load left is not added again by the next. */
  nextLine(): number {
    this.#lines += 1;
    return this.#lines;
  }

  record({ what, text = "", number = 0 }: OrderEdit): void {
    effects[what]?.(this, text, number);
  }
}

/** Of edits that do not commute only one build makes each, one after the other. */
const effects: Readonly<Record<string, (model: OrderModel, text: string, number: number) => void>> = {
  addLine: ({ lines }, sku) => {
    lines.set(sku, { quantity: 1, engraving: 0 });
  },
  trim: ({ lines }, sku) => {
    lines.delete(sku);
  },
  count: ({ lines }, sku) => {
    const line = lines.get(sku);
    if (line !== undefined) line.quantity += 1;
  },
  score: ({ score }, name, number) => {
    score.set(name, (score.get(name) ?? 0) + number);
  },
  badge: ({ badge }, name, number) => {
    badge.set(name, number);
  },
  rank: ({ rank }, name, number) => {
    rank.set(name, number);
  },
  engrave: ({ lines }, sku, number) => {
    const line = lines.get(sku);
    if (line !== undefined) line.engraving = number;
  },
  note: (model, text) => {
    model.note = text;
  },
  gift: (model, text) => {
    model.gift = text;
  },
  send: (model, text) => {
    model.courier = text;
  },
  floor: (model, _, number) => {
    model.floor = number;
  },
  attach: ({ attached }) => {
    attached.old += 1;
  },
  attachGift: ({ attached }) => {
    attached.gifts += 1;
  },
  placed: ({ trail }) => {
    trail.placed += 1;
  },
  returned: ({ trail }) => {
    trail.returned += 1;
  },
};
