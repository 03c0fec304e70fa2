// How often something happens.

const WINDOW = 2000; // milliseconds that are looked back

/** A meter of events per second over the last two seconds. */
export class Rate {
  #times = [];

  /**
   * Count an event.
   *
   * @param {number} now In milliseconds.
   * @returns {number | null} Events per second; null before the second.
   */
  tick(now) {
    this.#times = [...this.#times.filter((time) => now - time < WINDOW), now];
    const passed = now - this.#times[0];
    return passed > 0 ? (1000 * (this.#times.length - 1)) / passed : null;
  }
}
