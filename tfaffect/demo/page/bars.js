// The probabilities of the classes as bars.

import { classColour, element } from "./element.js";
import { percent, topClass } from "./words.js";

/** @typedef {import("./contract.js").Contract} Contract */

/** A list of bars, one for each class. */
export class Bars {
  #contract;
  #bars;

  /**
   * @param {HTMLElement} list
   * @param {Contract} contract
   */
  constructor(list, contract) {
    this.#contract = contract;
    this.#bars = contract.knowsClasses ? contract.classes.map(makeBar) : [];
    const untrained = element("li", { class: "untrained" }, "Not trained: this network has no expressions.");
    list.replaceChildren(...(contract.knowsClasses ? this.#bars.map(({ item }) => item) : [untrained]));
  }

  /** Show probabilities in the order of the classes; null for none. @param {number[] | null} expression */
  show(expression) {
    const top = expression ? topClass(expression, this.#contract) : -1;
    this.#bars.forEach(({ item, fill, share }, place) => {
      item.classList.toggle("top", place === top);
      fill.style.width = expression ? `${100 * expression[place]}%` : "0";
      share.textContent = expression ? percent(expression[place]) : "–";
    });
  }
}

function makeBar(name, place) {
  const fill = element("div", { class: "fill" });
  const share = element("span", { class: "share" }, "–");
  const track = element("div", { class: "track", "aria-hidden": "true" }, fill);
  const item = element("li", {}, element("span", { class: "name", "data-name": name }, name), track, share);
  item.style.setProperty("--colour", classColour(place));
  return { item, fill, share };
}
