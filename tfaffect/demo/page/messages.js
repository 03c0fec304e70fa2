// Error messages, shown until the user dismisses them or starts something new.

import { element } from "./element.js";

/** The messages at the top of the page. */
export class Messages {
  #place;

  /** @param {HTMLElement} place A live region. */
  constructor(place) {
    this.#place = place;
  }

  /** Show a message. @param {string} text */
  say(text) {
    const dismiss = element("button", { type: "button" }, "Dismiss");
    const message = element("p", { class: "message" }, element("span", {}, text), dismiss);
    dismiss.addEventListener("click", () => message.remove());
    this.#place.append(message);
  }

  /** Remove all messages. */
  clear() {
    this.#place.replaceChildren();
  }
}
