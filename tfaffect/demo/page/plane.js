// The affect plane: the first output to the right, the second upwards, and a trail of earlier faces.

import { classColour, drawn, element } from "./element.js";
import { signed } from "./words.js";

/** @typedef {import("./contract.js").Contract} Contract */
/** A point in the plane. @typedef {{affect: number[], top: number}} Point `top` is the class for its colour, or -1. */

const LENGTH = 40; // points in the trail
const [WIDTH, HEIGHT, X, Y, RADIUS] = [350, 250, 175, 124, 104]; // of the drawing, in its own units

/** The plane with its trail. */
export class Plane {
  #contract;
  #trail = [];
  #now = null;
  #layer = drawn("g");
  #values;

  /**
   * @param {HTMLElement} place
   * @param {Contract} contract
   */
  constructor(place, contract) {
    this.#contract = contract;
    if (contract.unknown.length > 0) {
      const names = contract.unknown.join(" and ");
      place.replaceChildren(element("p", { class: "untrained" }, `Not trained: this network has no ${names}.`));
      return;
    }
    const drawing = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, ...makeAxes(contract));
    drawing.append(this.#layer);
    this.#values = contract.affect.map(() => element("strong", {}, "–"));
    const texts = contract.affect.map((name, index) => element("span", {}, `${name} `, this.#values[index]));
    place.replaceChildren(drawing, element("p", { class: "values" }, ...texts));
  }

  /** Show a face and add it to the trail. @param {Point} point */
  add(point) {
    this.#trail = [...this.#trail, point].slice(-LENGTH);
    this.show(point);
  }

  /** Show a face without adding it to the trail; null for none. @param {Point | null} point */
  show(point) {
    this.#now = point;
    if (this.#values) {
      this.#values.forEach((value, place) => (value.textContent = point ? signed(point.affect[place]) : "–"));
      this.#draw();
    }
  }

  /** Remove the trail. */
  clear() {
    this.#trail = [];
    this.show(null);
  }

  #draw() {
    const places = this.#trail.map((point) => this.#place(point));
    const fade = (index) => ((index + 1) / this.#trail.length) ** 1.6;
    const threads = places.slice(1).map(([x, y], index) => {
      const [x1, y1] = places[index];
      return drawn("line", { class: "thread", x1, y1, x2: x, y2: y, opacity: 0.5 * fade(index + 1) });
    });
    const points = places.map(([x, y], index) =>
      colour(drawn("circle", { class: "point", cx: x, cy: y, r: 2 + 2 * fade(index), opacity: fade(index) }), this.#trail[index]),
    );
    this.#layer.replaceChildren(...threads, ...points);
    if (this.#now) {
      const [cx, cy] = this.#place(this.#now);
      this.#layer.append(colour(drawn("circle", { class: "point now", cx, cy, r: 7 }), this.#now));
    }
  }

  #place({ affect }) {
    const [low, high] = this.#contract.range;
    const [across, up] = affect.map((value) => (2 * (Math.min(Math.max(value, low), high) - low)) / (high - low) - 1);
    return [X + RADIUS * across, Y - RADIUS * up];
  }
}

function colour(circle, { top }) {
  if (top >= 0) {
    circle.style.setProperty("--colour", classColour(top));
  }
  return circle;
}

function makeAxes({ affect: [across, up], ends }) {
  const [[left = "", right = ""], [bottom = "", top = ""]] = [ends[across], ends[up]];
  const text = (kind, x, y, anchor, words) => drawn("text", { class: kind, x, y, "text-anchor": anchor }, words);
  return [
    drawn("rect", { class: "edge", x: X - RADIUS, y: Y - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS, rx: 10 }),
    drawn("circle", { class: "axis", cx: X, cy: Y, r: RADIUS, fill: "none" }), // Russell's circumplex
    drawn("line", { class: "axis", x1: X - RADIUS, y1: Y, x2: X + RADIUS, y2: Y }),
    drawn("line", { class: "axis", x1: X, y1: Y - RADIUS, x2: X, y2: Y + RADIUS }),
    text("name", X + RADIUS - 6, Y - 5, "end", across),
    text("name", X + 5, Y - RADIUS + 14, "start", up),
    text("end", X - RADIUS - 6, Y + 4, "end", left),
    text("end", X + RADIUS + 6, Y + 4, "start", right),
    text("end", X, Y - RADIUS - 7, "middle", top),
    text("end", X, Y + RADIUS + 15, "middle", bottom),
  ];
}
