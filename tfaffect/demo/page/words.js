// Numbers and findings in words, the same on the picture, for screen readers and in the plane.

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./analyst.js").Face} Face */

/** "84 %" of 0.84. */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** "+0.52" or "−0.10": a sign always, and a minus as wide as the plus. */
export function signed(value) {
  const text = value.toFixed(2);
  return text.startsWith("-") ? text.replace("-", "\u2212") : `+${text}`;
}

/** With a capital, for titles. */
export function title(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The place of the most probable class; -1 when classes were never learned. */
export function topClass(expression, contract) {
  return contract.knowsClasses ? expression.indexOf(Math.max(...expression)) : -1;
}

/** The most probable class of a face, and "84 %"; empty when classes were never learned. */
export function shortly({ expression }, contract) {
  const top = topClass(expression, contract);
  return top < 0 ? "" : `${contract.classes[top]} ${percent(expression[top])}`;
}

/** All that is known of a face: class, and what was learned of affect. */
export function fully(face, contract) {
  const affect = contract.affect
    .map((name, place) => (contract.unknown.includes(name) ? "" : `${name} ${signed(face.affect[place])}`))
    .filter(Boolean);
  return [shortly(face, contract), ...affect].filter(Boolean).join(", ") || "this network was trained on nothing";
}
