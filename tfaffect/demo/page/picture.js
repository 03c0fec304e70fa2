// From a file or a camera frame to pixels, as Python reads them: turned upright, colour profiles ignored, transparent
// parts black.

/** @typedef {import("./resize.js").Picture} Picture */

const MOST_PIXELS = 89_478_485; // as in Python: protection against decompression bombs

/**
 * Decode a picture.
 *
 * @param {Blob} file
 * @returns {Promise<Picture>}
 * @throws {Error} For a file that is not a picture; the message can follow the file's name and a colon.
 */
export async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error("not a picture that this browser can read; JPEG, PNG, WebP, GIF, BMP and AVIF are.");
  }
  return toPixels(bitmap);
}

/**
 * Read the pixels of a bitmap, and free it.
 *
 * @param {ImageBitmap} bitmap
 * @returns {Picture}
 */
export function toPixels(bitmap) {
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`too many pixels, ${width} × ${height}; make it smaller first.`);
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}
