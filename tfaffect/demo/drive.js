// Lets the tests use the page like a user: one JSON command per line on stdin, one JSON answer per line on stdout.
// The environment variable CHROMIUM names the browser.

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
const SECONDS = 60_000; // milliseconds until a command fails

let browser, page, requests, complaints;

const commands = {
  /** Open a page in a new browser, and wait until the network is loaded or has failed. */
  async open({ url, flags }) {
    await browser?.close();
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...ARGUMENTS, ...flags] });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.setDefaultTimeout(SECONDS);
    [requests, complaints] = [[], []];
    page.on("filechooser", () => {}); // Playwright intercepts file choosers only with a listener
    page.on("request", (request) => requests.push([request.method(), request.url(), request.postData() ?? ""]));
    page.on("pageerror", (error) => complaints.push(error.message));
    const listen = (message) => /Content Security Policy/.test(message.text()) && complaints.push(message.text());
    page.on("console", listen);
    page.on("worker", (worker) => worker.on("console", listen));
    await page.goto(url);
    await page.waitForFunction(READY);
  },

  /** Change the size and colour scheme of the screen. */
  async look({ width, height, scheme }) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
  },

  /** Drop files on the page, and wait until all are analysed. */
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

  /** Choose files by the button, and wait until all are analysed. */
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

  /** Click an element that starts a download, and return the file's name and text. */
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
