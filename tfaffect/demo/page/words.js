// Numbers and results as text, the same for the picture, the plane and screen readers.

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./analyst.js").Face} Face */

/** 0.84 as "84 %". */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** "+0.52" or "−0.10": always a sign, and a minus as wide as the plus. */
export function signed(value) {
  const text = value.toFixed(2);
  return text.startsWith("-") ? text.replace("-", "\u2212") : `+${text}`;
}

/** With a capital letter, for titles. */
export function title(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The index of the most probable class; -1 when classes are untrained. */
export function topClass(expression, contract) {
  return contract.knowsClasses ? expression.indexOf(Math.max(...expression)) : -1;
}

/** The most probable class of a face with its share; empty when classes are untrained. */
export function shortly({ expression }, contract) {
  const top = topClass(expression, contract);
  return top < 0 ? "" : `${contract.classes[top]} ${percent(expression[top])}`;
}

/** All results for a face: class and trained affect. */
export function fully(face, contract) {
  const affect = contract.affect
    .map((name, place) => (contract.unknown.includes(name) ? "" : `${name} ${signed(face.affect[place])}`))
    .filter(Boolean);
  return [shortly(face, contract), ...affect].filter(Boolean).join(", ") || "this network has no trained output";
}
