// Measures a rate of events.

const WINDOW = 2000; // milliseconds

/** A meter of events per second over the last two seconds. */
export class Rate {
  #times = [];

  /**
   * Count an event.
   *
   * @param {number} now In milliseconds.
   * @returns {number | null} Events per second; null for the first event.
   */
  tick(now) {
    this.#times = [...this.#times.filter((time) => now - time < WINDOW), now];
    const passed = now - this.#times[0];
    return passed > 0 ? (1000 * (this.#times.length - 1)) / passed : null;
  }
}
