// Controls Chromium by its DevTools protocol through a pair of pipes: nothing else has to be installed.
import { spawn } from "node:child_process";

/** The timeout of all waits, in milliseconds. */
const PATIENCE = 60000;

export class Browser {
  constructor(program, profile) {
    const words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    this.process = spawn(program, words, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    [, , , this.out, this.in] = this.process.stdio;
    this.waiting = new Map();
    this.listeners = [];
    this.number = 0;
    let rest = "";
    this.in.setEncoding("utf8");
    this.in.on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) this.take(JSON.parse(message));
    });
    this.process.on("exit", () => this.waiting.forEach(({ fail }) => fail(new Error("the browser has ended"))));
  }

  take(message) {
    const asked = this.waiting.get(message.id);
    if (!asked) return this.listeners.forEach((listener) => listener(message));
    this.waiting.delete(message.id);
    if (message.error) asked.fail(new Error(`${asked.method}: ${message.error.message}`));
    else asked.done(message.result);
  }

  ask(method, params = {}, sessionId = undefined) {
    const id = (this.number += 1);
    this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((done, fail) => this.waiting.set(id, { method, done, fail }));
  }

  async page() {
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.ask(`${domain}.enable`);
    return page;
  }

  async close() {
    const ended = new Promise((done) => this.process.on("exit", done));
    await this.ask("Browser.close").catch(() => {});
    await ended;
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    /** Errors, and requests to a network. */
    this.errors = [];
    this.requests = [];
    browser.listeners.push(({ sessionId, method, params }) => {
      if (sessionId !== session) return;
      if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === "Log.entryAdded" && params.entry.level === "error") this.errors.push(params.entry.text);
      if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
      if (method === "Page.javascriptDialogOpening") this.errors.push("a dialog was opened");
    });
  }

  ask(method, params) {
    return this.browser.ask(method, params, this.session);
  }

  /** Returns the milliseconds until the page was drawn. */
  async open(url) {
    // For another fragment of the same page, nothing is loaded.
    for (const place of ["about:blank", url]) {
      await this.ask("Page.navigate", { url: place });
      const isThere = `location.href === ${JSON.stringify(place)} && document.readyState === "complete"`;
      // A request while the page changes gets no answer.
      while (!(await this.run(isThere).catch(() => false)));
    }
    return this.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))");
  }

  /** The value of an expression in the page. */
  async run(expression) {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression is true. */
  until(expression) {
    return this.run(`new Promise((done, fail) => {
      const end = performance.now() + ${PATIENCE};
      const look = () => {
        if (${expression}) done(true);
        else if (performance.now() > end) fail(new Error("it did not come to be"));
        else requestAnimationFrame(look);
      };
      look();
    })`);
  }

  size(width, height) {
    return this.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
  }

  media(media, scheme) {
    return this.ask("Emulation.setEmulatedMedia", { media, features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** Clicks with the mouse in the middle of the first matching element, once it has stopped moving. */
  async click(selector) {
    const place = await this.run(`new Promise((done, fail) => {
      const end = performance.now() + ${PATIENCE};
      let last = "";
      const look = () => {
        const element = document.querySelector(${JSON.stringify(selector)});
        element?.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
        const { left, top, width, height } = element?.getBoundingClientRect() ?? {};
        const place = { x: left + width / 2, y: top + height / 2 };
        const now = JSON.stringify(place);
        if (element && now === last && element.contains(document.elementFromPoint(place.x, place.y))) return done(place);
        if (performance.now() > end) return fail(new Error("it is nowhere to be clicked"));
        last = now;
        setTimeout(() => requestAnimationFrame(look), 50);
      };
      look();
    })`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.ask("Input.dispatchMouseEvent", { type, ...place, button: "left", clickCount: 1 });
    }
  }

  async type(selector, text) {
    await this.run(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    await this.ask("Input.insertText", { text });
  }

  async key(key) {
    for (const type of ["keyDown", "keyUp"]) await this.ask("Input.dispatchKeyEvent", { type, key, code: key });
  }

  async picture() {
    return Buffer.from((await this.ask("Page.captureScreenshot", { format: "png" })).data, "base64");
  }

  async paper() {
    return Buffer.from((await this.ask("Page.printToPDF", { printBackground: true })).data, "base64");
  }
}
