// Runs the analyst outside the page's thread, so that the page stays responsive. It is a classic worker, not a module:
// LiteRT loads its WebAssembly by importScripts, which modules do not have.

"use strict";

const analyst = import("./analyst.js").then(({ Analyst }) => new Analyst());
let turn = Promise.resolve(); // one request at a time

addEventListener("message", ({ data: { number, task, given } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ number, answer: await (await analyst)[task](...given) });
    } catch (error) {
      postMessage({ number, problem: error.message });
    }
  });
});
