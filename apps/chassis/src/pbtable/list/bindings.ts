/** The values of a statement under construction. Values enter SQL through here alone. */
export class Bindings {
  readonly values: unknown[] = [];

  /** Binds a value as `sqlType` and gives its place in the text, such as `$2::bigint`. */
  bind(value: unknown, sqlType: string): string {
    this.values.push(value);
    return `$${this.values.length}::${sqlType}`;
  }
}
