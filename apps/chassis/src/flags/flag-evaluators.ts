import { isJsonMap } from "../schema/json/json-map.ts";

/** What JavaScript's replace takes for the text around the match: flagd-core replaces by strings. */
const pattern = /\$[&`']/;

/**
 * What is wrong with the `$evaluators` of flag definitions, which flagd-core puts in the places that refer to them: by
 * text, one after the other. Each may refer to the next one twice, so that two kilobytes become gigabytes, and a process
 * stands still while they do.
 *
 * @param text whatever it is; what is no JSON has no evaluators, and what is wrong with it is for others to say
 * @param maxLength of the definitions, with all evaluators in their places
 * @returns undefined when nothing is
 */
export function findEvaluatorFault(text: string, maxLength: number): string | undefined {
  const document = parse(text);
  const evaluators = isJsonMap(document) ? document["$evaluators"] : undefined;
  if (typeof evaluators !== "object" || evaluators === null) return undefined;
  let written = JSON.stringify(document);
  for (const [name, evaluator] of Object.entries(evaluators)) {
    const reference = `{"$ref":"${name}"}`;
    const meaning = JSON.stringify(evaluator);
    if (pattern.test(meaning)) return "an evaluator holds $&, $` or $'";
    const places = written.split(reference).length - 1;
    if (written.length + places * (meaning.length - reference.length) > maxLength)
      return `with their evaluators in place they are longer than ${maxLength} characters`;
    written = written.replaceAll(reference, meaning);
  }
  return undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
