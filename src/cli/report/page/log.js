// A step's log: lines, ANSI colours, search, and a list that only draws its visible part.
"use strict";
{
  const ROW = 19;
  // Browsers limit the height; in longer lists, a pixel of the scroll bar is several of the list.
  const TALLEST = 8e6;
  const ESCAPES = /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[ -/]*[0-~]|$)/g;
  const cache = new Map();

  /** The output of the step: text, time in milliseconds and initial colours of each line. */
  Page.log = (number) => {
    if (cache.has(number)) return cache.get(number);
    const texts = [], times = [];
    let open = null;
    for (const [time, text] of Page.read(`log-${number}`) ?? []) {
      const lines = text.split("\n");
      if (open !== null) {
        texts[open] += lines[0];
        lines.shift();
        if (lines.length) open = null;
        else continue;
      }
      // Text after the last newline is an incomplete line.
      const last = lines.pop();
      for (const line of lines) {
        texts.push(line);
        times.push(time);
      }
      if (last) {
        open = texts.push(last) - 1;
        times.push(time);
      }
    }
    const log = { texts, times, styles: stylesOf(texts) };
    cache.set(number, log);
    return log;
  };

  /** Colours that are not reset continue on the next line. */
  const stylesOf = (texts) => {
    const styles = new Map();
    let style = null;
    for (let index = 0; index < texts.length; index += 1) {
      if (style) styles.set(index, style);
      if (!texts[index].includes("\x1b")) continue;
      for (const found of texts[index].matchAll(ESCAPES)) {
        if (found[1] !== undefined) style = changed(style, found[1]);
      }
    }
    return styles;
  };

  const changed = (style, codes) => {
    const next = { ...style };
    const numbers = codes.split(/[;:]/).map((code) => Number(code || 0));
    for (let at = 0; at < numbers.length; at += 1) {
      const code = numbers[at];
      if (code === 0) for (const key of Object.keys(next)) delete next[key];
      else if (code === 1) next.bold = true;
      else if (code === 2) next.faint = true;
      else if (code === 3) next.italic = true;
      else if (code === 4) next.underline = true;
      else if (code === 7) next.inverse = true;
      else if (code === 9) next.struck = true;
      else if (code === 22) { delete next.bold; delete next.faint; }
      else if (code === 23) delete next.italic;
      else if (code === 24) delete next.underline;
      else if (code === 27) delete next.inverse;
      else if (code === 29) delete next.struck;
      else if (code >= 30 && code <= 37) next.front = code - 30;
      else if (code >= 90 && code <= 97) next.front = code - 82;
      else if (code >= 40 && code <= 47) next.back = code - 40;
      else if (code >= 100 && code <= 107) next.back = code - 92;
      else if (code === 39) delete next.front;
      else if (code === 49) delete next.back;
      else if (code === 38 || code === 48) {
        const key = code === 38 ? "front" : "back";
        if (numbers[at + 1] === 5) {
          next[key] = indexed(numbers[at + 2] ?? 0);
          at += 2;
        } else if (numbers[at + 1] === 2) {
          next[key] = `rgb(${numbers.slice(at + 2, at + 5).map((part) => Math.min(255, part || 0)).join(",")})`;
          at += 4;
        }
      }
    }
    return Object.keys(next).length ? next : null;
  };

  /** Of the 256 colours, the first 16 are the theme's. */
  const indexed = (number) => {
    if (number < 16) return number;
    if (number > 231) return `rgb(${Array(3).fill(8 + 10 * (Math.min(255, number) - 232)).join(",")})`;
    const part = (value) => (value === 0 ? 0 : 55 + 40 * value);
    const place = number - 16;
    return `rgb(${part(Math.floor(place / 36))},${part(Math.floor(place / 6) % 6)},${part(place % 6)})`;
  };

  /** A line as a terminal shows it: overwritten text is gone. */
  const seen = (text) => {
    const line = text.endsWith("\r") ? text.slice(0, -1) : text;
    const parts = line.includes("\r") ? line.split("\r").filter((part) => part !== "") : null;
    return parts ? (parts.at(-1) ?? "") : line;
  };

  Page.plain = (text) => Page.harmless(text.includes("\x1b") ? seen(text).replace(ESCAPES, "") : seen(text));

  const spans = (text, style, wanted) => {
    const out = [];
    const add = (part) => {
      if (!part) return;
      const span = Page.make("span", {}, ...marked(Page.harmless(part), wanted));
      if (style) {
        const { front, back, ...flags } = style;
        span.classList.add(...Object.keys(flags));
        if (typeof front === "number") span.classList.add(`f${front}`);
        else if (front) span.style.color = front;
        if (typeof back === "number") span.classList.add(`b${back}`);
        else if (back) span.style.background = back;
      }
      out.push(span);
    };
    const line = seen(text);
    let from = 0;
    if (line.includes("\x1b")) {
      for (const found of line.matchAll(ESCAPES)) {
        add(line.slice(from, found.index));
        if (found[1] !== undefined) style = changed(style, found[1]);
        from = found.index + found[0].length;
      }
    }
    add(line.slice(from));
    return out;
  };

  const marked = (text, wanted) => {
    if (!wanted) return [text];
    const out = [], lower = text.toLowerCase();
    let from = 0;
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
      out.push(text.slice(from, at), Page.make("mark", {}, text.slice(at, at + wanted.length)));
      from = at + wanted.length;
    }
    out.push(text.slice(from));
    return out;
  };

  /** The list: a tall empty block makes the scroll bar, and the visible rows stick to the top. */
  Page.LogView = class {
    constructor(log) {
      this.log = log;
      this.wanted = "";
      this.hits = [];
      this.hit = -1;
      this.rows = Page.make("div", { class: "rows mono" });
      this.block = Page.make("div", {});
      this.element = Page.make("div", { class: "log", tabindex: "0", role: "log", "aria-label": "What the step printed" }, this.rows, this.block);
      this.element.addEventListener("scroll", () => this.drawSoon());
      new ResizeObserver(() => this.draw()).observe(this.element);
    }

    get height() { return this.log.texts.length * ROW; }

    /** The ratio of the list's movement to the block's. */
    get scale() {
      const shown = this.element.clientHeight, tall = Math.min(this.height, TALLEST);
      return tall > shown ? (this.height - shown) / (tall - shown) : 1;
    }

    drawSoon() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        this.draw();
      });
    }

    draw() {
      const { texts, times, styles } = this.log;
      const shown = this.element.clientHeight;
      if (!shown) return;
      const top = this.element.scrollTop * this.scale;
      const first = Math.max(0, Math.floor(top / ROW));
      const last = Math.min(texts.length, Math.ceil((top + shown) / ROW) + 1);
      const current = this.hits[this.hit];
      const rows = [];
      for (let index = first; index < last; index += 1) {
        const isHit = this.wanted && Page.plain(texts[index]).toLowerCase().includes(this.wanted);
        const name = `entry${isHit ? " hit" : ""}${index === current ? " now" : ""}`;
        rows.push(Page.make("div", { class: name, "data-line": String(index) },
          Page.make("span", { class: "time" }, (times[index] / 1000).toFixed(2)),
          Page.make("span", { class: "said" }, ...spans(texts[index], styles.get(index), this.wanted))));
      }
      this.rows.replaceChildren(...rows);
      this.rows.style.transform = `translateY(${first * ROW - top}px)`;
      const tall = Math.min(this.height, TALLEST);
      this.rows.style.height = `${rows.length * ROW}px`;
      this.block.style.height = `${Math.max(0, tall - rows.length * ROW)}px`;
    }

    show(line) {
      this.draw();
      const middle = Math.max(0, line * ROW - this.element.clientHeight / 2);
      this.element.scrollTop = middle / this.scale;
      this.draw();
    }

    search(text) {
      this.wanted = text.toLowerCase();
      this.hits = [];
      if (this.wanted) {
        this.log.texts.forEach((line, index) => {
          if (Page.plain(line).toLowerCase().includes(this.wanted)) this.hits.push(index);
        });
      }
      this.hit = -1;
      this.draw();
      return this.hits.length;
    }

    step(by) {
      if (!this.hits.length) return 0;
      this.hit = (this.hit + by + this.hits.length) % this.hits.length;
      this.show(this.hits[this.hit]);
      return this.hit + 1;
    }
  };
}
