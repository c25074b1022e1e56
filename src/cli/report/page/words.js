// Shared by all parts of the page: the data, elements, and formatted numbers. Text of a build is never parsed as HTML.
"use strict";
const Page = {};

Page.read = (id) => {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
};

/** An element with properties and children; strings become text. */
Page.make = (name, properties, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

Page.draw = (name, properties, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat());
  return element;
};

Page.time = (microseconds) => {
  const seconds = microseconds / 1e6;
  if (seconds < 0.0995) return `${Math.max(0, seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

Page.size = (bytes) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit + 1 < units.length) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit === 0 || bytes >= 99.5 ? Math.round(bytes) : bytes.toPrecision(3).replace(/\.?0+$/, "")} ${units[unit]}`;
};

Page.count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

Page.STATES = {
  executed: "executed", cached: "cached", failed: "failed", canceled: "canceled", running: "not over",
  "not-reached": "not reached", completed: "completed", error: "failed", killed: "killed",
};

Page.state = (state) => Page.make("span", { class: `state ${state}` }, Page.STATES[state] ?? state);

/** `[build 2/5] RUN make` → its stage and its instruction. */
Page.parts = (name) => {
  const found = /^\[([^\]]*)\] ?([^]*)$/.exec(name);
  if (!found) return { stage: "", text: name };
  return { stage: found[1].replace(/ ?\d+\/\d+$/, "") || "", text: found[2] };
};

Page.took = (step) => (step.began === null || step.ended === null ? 0 : step.ended - step.began);

/** Makes control characters, and those that change the direction of text, visible. */
Page.harmless = (text) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, (character) => {
    const code = character.charCodeAt(0);
    if (code < 32) return String.fromCharCode(0x2400 + code);
    return code === 127 ? "\u2421" : `\u27e8U+${code.toString(16).toUpperCase()}\u27e9`;
  });

Page.section = (id, title, bar, ...children) =>
  Page.make("section", { id }, Page.make("div", { class: "bar" }, Page.make("h2", {}, title), bar), ...children);
