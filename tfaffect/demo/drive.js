// Lets the tests use the page as a person would: a command a line on stdin, its answer a line on stdout, both JSON.
// Chromium is the one that the variable CHROMIUM names.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const READY = () => !document.getElementById("runtime").textContent.startsWith("Loading");
const IDLE = () => document.getElementById("stage").ariaBusy === "false";
const SECONDS = 60_000; // longer, and something hangs

let browser, page, requests, complaints;

const commands = {
  /** Open a page in a browser of its own, and wait until the network is loaded or is known not to be. */
  async open({ url, flags }) {
    await browser?.close();
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...ARGUMENTS, ...flags] });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.setDefaultTimeout(SECONDS);
    [requests, complaints] = [[], []];
    page.on("filechooser", () => {}); // Playwright catches choosers only while somebody listens
    page.on("request", (request) => requests.push([request.method(), request.url(), request.postData() ?? ""]));
    page.on("pageerror", (error) => complaints.push(error.message));
    const listen = (message) => /Content Security Policy/.test(message.text()) && complaints.push(message.text());
    page.on("console", listen);
    page.on("worker", (worker) => worker.on("console", listen));
    await page.goto(url);
    await page.waitForFunction(READY);
  },

  /** Look at the page on another screen. */
  async look({ width, height, scheme }) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
  },

  /** Drop files anywhere on the page, and wait until all were looked at. */
  async drop({ paths }) {
    const files = await Promise.all(
      paths.map(async (path) => ({ name: basename(path), content: (await readFile(path)).toString("base64") })),
    );
    await page.evaluate((given) => {
      const transfer = new DataTransfer();
      given.forEach(({ name, content }) => {
        transfer.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name));
      });
      document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }, files);
    await page.waitForFunction(IDLE);
  },

  /** Choose files by the button, and wait until all were looked at. */
  async choose({ paths }) {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
    await chooser.setFiles(paths);
    await page.waitForFunction(IDLE);
  },

  press: ({ key }) => page.keyboard.press(key),
  click: ({ selector }) => page.click(selector),
  text: ({ selector }) => page.innerText(selector),
  evaluate: ({ expression, given }) => page.evaluate(`(${expression})(${JSON.stringify(given)})`),
  wait: async ({ expression }) => void (await page.waitForFunction(new Function(`return ${expression}`))),
  screenshot: async ({ path }) => void (await page.screenshot({ path })),
  requests: () => requests,
  complaints: () => complaints,

  /** Press what downloads, and return the text that came. */
  async download({ selector }) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { answer: (await commands[command](given)) ?? null };
  } catch (error) {
    answer = { problem: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser?.close();
