// From a picture to the input of the network, as its contract says: crop, letterbox, grey. The result is the same as that of
// tfaffect/media/faces.py, to the byte.

import { resize } from "./resize.js";
import { roundHalfEven } from "./rounding.js";

/** @typedef {import("./resize.js").Picture} Picture */
/** Left, top, right and bottom in pixels, fractions allowed. @typedef {number[]} Box */

/**
 * The square around a face box, clipped to the picture: the same centre, `1 + 2 * margin` times its longer side.
 *
 * @param {Box} box
 * @param {{width: number, height: number}} picture
 * @param {number} margin As a share of the longer side.
 * @returns {Box | null} In whole pixels; null for a box outside the picture.
 */
export function square([left, top, right, bottom], { width, height }, margin) {
  const side = roundHalfEven(Math.max(right - left, bottom - top) * (1 + 2 * margin));
  const [column, row] = [roundHalfEven((left + right) / 2 - side / 2), roundHalfEven((top + bottom) / 2 - side / 2)];
  const inside = [Math.max(column, 0), Math.max(row, 0), Math.min(column + side, width), Math.min(row + side, height)];
  return right > left && bottom > top && inside[0] < inside[2] && inside[1] < inside[3] ? inside : null;
}

/**
 * Crop a picture.
 *
 * @param {Picture} picture
 * @param {Box} part In whole pixels inside the picture.
 * @returns {Picture}
 */
export function cut({ width, data }, [left, top, right, bottom]) {
  const part = new Uint8ClampedArray(4 * (right - left) * (bottom - top));
  for (let row = top; row < bottom; row += 1) {
    part.set(data.subarray(4 * (row * width + left), 4 * (row * width + right)), 4 * (row - top) * (right - left));
  }
  return { width: right - left, height: bottom - top, data: part };
}

/**
 * Scale a picture into a square, keeping its aspect, centred between black bars.
 *
 * @param {Picture} picture
 * @param {number} size Side of the square in pixels.
 * @returns {Uint8Array} RGB, three bytes a pixel, row by row.
 */
export function letterbox(picture, size) {
  const scale = size / Math.max(picture.width, picture.height);
  // Sides are rounded down; the small term corrects floating-point errors of exact sides.
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.trunc(side * scale + 1e-6)));
  const { data } = resize(picture, width, height);
  const [left, top] = [Math.floor((size - width) / 2), Math.floor((size - height) / 2)];
  const framed = new Uint8Array(3 * size * size);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const [from, to] = [4 * (row * width + column), 3 * ((row + top) * size + column + left)];
      framed[to] = data[from];
      framed[to + 1] = data[from + 1];
      framed[to + 2] = data[from + 2];
    }
  }
  return framed;
}

/**
 * Turn pixels grey, in place: all three become their luma of ITU-R BT.601, in OpenCV's units of 1 / 32768.
 *
 * @param {Uint8Array} pixels RGB, three bytes a pixel.
 * @returns {Uint8Array} The same array.
 */
export function toGrey(pixels) {
  for (let place = 0; place < pixels.length; place += 3) {
    const luma = (9798 * pixels[place] + 19235 * pixels[place + 1] + 3735 * pixels[place + 2] + 16384) >> 15;
    pixels.fill(luma, place, place + 3);
  }
  return pixels;
}
