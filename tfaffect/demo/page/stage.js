// The picture or the camera's video, with boxes around its faces.

import { element } from "./element.js";

/** The area that shows pictures. */
export class Stage {
  #stage;
  #view;
  #invitation;
  #note;

  /** @param {HTMLElement} stage With a view, an invitation and a note inside. */
  constructor(stage) {
    this.#stage = stage;
    [this.#view, this.#invitation, this.#note] = ["#view", "#invitation", "#note"].map((id) => stage.querySelector(id));
  }

  /** Set whether a picture is being analysed. @param {boolean} busy */
  setBusy(busy) {
    this.#stage.setAttribute("aria-busy", String(busy));
  }

  /**
   * Show a picture or a video, without faces yet.
   *
   * @param {HTMLImageElement | HTMLVideoElement} medium
   * @param {number} ratio Of width to height.
   * @param {boolean} mirrored Show a mirror image, for people who see themselves.
   */
  show(medium, ratio, mirrored) {
    this.#view.replaceChildren(medium);
    this.#view.style.setProperty("--ratio", String(ratio));
    this.#view.classList.toggle("mirrored", mirrored);
    this.#setFull(true);
  }

  /**
   * Draw boxes around faces; a click chooses a face.
   *
   * @param {{box: number[], name: string, label: string}[]} faces In pixels; `name` for screen readers.
   * @param {{width: number, height: number}} size Of the picture, in pixels.
   * @param {number} chosen Index of the chosen face.
   * @param {(place: number) => void} choose
   */
  setFaces(faces, size, chosen, choose) {
    const focused = [...this.#view.querySelectorAll(".face")].indexOf(document.activeElement);
    this.#view.querySelectorAll(".face").forEach((face) => face.remove());
    const mirrored = this.#view.classList.contains("mirrored");
    faces.forEach(({ box, name, label }, place) => {
      const pressed = String(place === chosen);
      const face = element("button", { type: "button", class: "face", "aria-label": name, "aria-pressed": pressed });
      if (label) {
        face.append(element("span", { "aria-hidden": "true" }, label));
      }
      lay(face, box, size, mirrored);
      face.addEventListener("click", () => choose(place));
      this.#view.append(face);
    });
    this.#view.querySelectorAll(".face")[focused]?.focus();
  }

  /** Write a line over the picture; null for none. @param {string | null} text */
  setNote(text) {
    this.#note.textContent = text ?? "";
    this.#note.hidden = text === null;
  }

  /** Show no picture, but the invitation. */
  clear() {
    this.#view.replaceChildren();
    this.setNote(null);
    this.#setFull(false);
  }

  #setFull(full) {
    this.#stage.classList.toggle("full", full);
    this.#view.hidden = !full;
    this.#invitation.hidden = full;
  }
}

/** Place a face at its box, clipped to the picture. */
function lay(face, box, { width, height }, mirrored) {
  const inside = (share) => 100 * Math.min(Math.max(share, 0), 1);
  const [top, bottom] = [inside(box[1] / height), inside(box[3] / height)];
  let [left, right] = [inside(box[0] / width), inside(box[2] / width)];
  if (mirrored) {
    [left, right] = [100 - right, 100 - left];
  }
  Object.assign(face.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  face.classList.toggle("low", bottom > 90);
  face.classList.toggle("right", left > 60);
}
