// Thumbnails of earlier pictures.

import { element } from "./element.js";

const MOST = 24; // older ones are removed; their rows stay in the session
const SIDE = 112; // pixels of a thumbnail, for screens with a pixel ratio of 2

/** A row of thumbnails. @template Item */
export class Strip {
  #list;
  #choose;
  #items = [];

  /**
   * @param {HTMLElement} list
   * @param {(item: Item) => void} choose Called for the picture that is clicked.
   */
  constructor(list, choose) {
    this.#list = list;
    this.#choose = choose;
  }

  /**
   * Add a picture at the end and mark it as shown.
   *
   * @param {Item & {image: HTMLImageElement, name: string}} item
   * @returns {Item | undefined} The oldest, if it was removed.
   */
  add(item) {
    const button = element("button", { type: "button", class: "seen", "aria-label": item.name }, thumbnail(item.image));
    button.addEventListener("click", () => this.#choose(item));
    this.#items.push({ item, button });
    this.#list.append(element("li", {}, button));
    const oldest = this.#items.length > MOST ? this.#items.shift() : undefined;
    oldest?.button.parentElement.remove();
    this.#list.hidden = this.#items.length < 2;
    this.mark(item);
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
    return oldest?.item;
  }

  /** Mark the picture that is shown; null for none. @param {Item | null} shown */
  mark(shown) {
    this.#items.forEach(({ item, button }) => button.setAttribute("aria-pressed", String(item === shown)));
  }

  /** Remove all pictures. @returns {Item[]} The removed pictures. */
  clear() {
    const items = this.#items.map(({ item }) => item);
    this.#items = [];
    this.#list.replaceChildren();
    this.#list.hidden = true;
    return items;
  }
}

/** The square centre of a picture. */
function thumbnail(image) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  const side = Math.min(image.naturalWidth, image.naturalHeight);
  const [left, top] = [(image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2];
  canvas.getContext("2d").drawImage(image, left, top, side, side, 0, 0, SIDE, SIDE);
  return canvas;
}
