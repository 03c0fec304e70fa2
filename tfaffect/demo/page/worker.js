// Runs the analyst beside the page, which stays quick to touch and scroll. A classic worker and not a module: LiteRT
// loads its WebAssembly by importScripts, which modules refuse.

"use strict";

const analyst = import("./analyst.js").then(({ Analyst }) => new Analyst());
let turn = Promise.resolve(); // one question at a time

addEventListener("message", ({ data: { number, task, given } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ number, answer: await (await analyst)[task](...given) });
    } catch (error) {
      postMessage({ number, problem: error.message });
    }
  });
});
