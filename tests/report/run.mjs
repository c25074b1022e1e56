// Reports of builds in a browser: `node tests/report/run.mjs PROGRAM [FOLDER]`. Screenshots go into the folder.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Browser } from "./browser.mjs";

const program = path.resolve(process.argv[2]);
const pictures = process.argv[3] ? path.resolve(process.argv[3]) : null;
const here = path.dirname(new URL(import.meta.url).pathname);
const work = fs.mkdtempSync(path.join(os.tmpdir(), "rbuild-report-test-"));
const environment = { ...process.env, RBUILD_ROOT: path.join(work, "store"), DISPLAY: "", WAYLAND_DISPLAY: "" };
for (const name of Object.keys(environment)) if (/^(OTEL_|DOCKER_)/.test(name)) delete environment[name];
const rbuild = (...words) => execFileSync(program, words, { cwd: work, env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A build with everything that a report shows: parallel stages, colours, warnings, hostile text, large files. */
const DOCKERFILE = `FROM busybox AS tools
WORKDIR /src
RUN printf '\\033[1;32m   Compiling\\033[0m tools v1.0\\n' && sleep 0.4 && head -c 700000 /dev/zero > /src/tool
FROM busybox AS assets
COPY app.css /assets/
RUN for i in 1 2 3 4 5; do printf "\\rbundling $i of 5"; sleep 0.05; done; printf '\\n\\033[33mwarning:\\033[0m unused rule\\n'
FROM busybox AS build
COPY main.c /src/
RUN echo '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked=1">' && sleep 0.2
RUN seq 1 20000 | sed 's/^/line /' && printf '\\033]0;title\\007\\033[31mred over\\ntwo lines\\033[0m plain \\342\\200\\256reversed\\n'
FROM busybox AS app
COPY --from=tools /src/tool /usr/bin/tool
COPY --from=assets /assets /srv/assets
COPY --from=build /src /srv/src
RUN head -c 3000000 /dev/zero > /srv/data && sleep 0.1
ENV API_KEY=example
CMD tool
`;

function demonstrate() {
  fs.mkdirSync(path.join(work, "shop"), { recursive: true });
  rbuild("load", "-i", path.join(here, "../../fixtures/busybox.tar.gz"));
  fs.writeFileSync(path.join(work, "shop/Dockerfile"), DOCKERFILE);
  fs.writeFileSync(path.join(work, "shop/app.css"), "body { color: red }\n");
  fs.writeFileSync(path.join(work, "shop/main.c"), "int main() { return 0; }\n");
  rbuild("build", "-q", "-t", "shop:1.0", "--report", "first.html", "shop");
  fs.writeFileSync(path.join(work, "shop/main.c"), "int main() { return 1; }\n");
  rbuild("build", "-q", "-t", "shop:1.1", "--report", "second.html", "shop");
  fs.writeFileSync(path.join(work, "shop/Broken"), `${DOCKERFILE}RUN echo about to fail >&2 && exit 7\n`);
  assert.notEqual(spawnSync(program, ["build", "-q", "-f", "shop/Broken", "--report", "failed.html", "shop"], { cwd: work, env: environment }).status, 0);
  fs.writeFileSync(path.join(work, "shop/Wrong"), "FROM busybox\nRUNNN x\n");
  assert.notEqual(spawnSync(program, ["build", "-q", "-f", "shop/Wrong", "--report", "empty.html", "shop"], { cwd: work, env: environment }).status, 0);
  rbuild("builds", "compare", "^3", "^2", "--report", "compared.html");
  fs.mkdirSync(path.join(work, "reports"));
  for (const name of ["first.html", "second.html"]) fs.copyFileSync(path.join(work, name), path.join(work, "reports", name));
  rbuild("builds", "compare", "reports", "--report", "compared-files.html");
  assert.equal(fs.statSync(rbuild("builds", "open").trim()).mode & 0o077, 0, "it is its owner's alone");
}

/** The same page with 500 steps and 50 MB of logs. */
function enlarge() {
  const page = fs.readFileSync(path.join(work, "first.html"), "utf8");
  const [before, rest] = page.split('<script type="application/json" id="report">');
  const [data, after] = [rest.slice(0, rest.indexOf("</script>")), rest.slice(rest.indexOf("</script>") + 9)];
  const whole = JSON.parse(data), pattern = whole.document.steps.find((step) => step.printed);
  const steps = [], logs = [], line = "x".repeat(60);
  for (let number = 0; number < 500; number += 1) {
    const stage = number % 10, above = number - 10;
    steps.push({ ...pattern, name: `[stage${stage} ${Math.floor(number / 10) + 1}/50] RUN step ${number}`, inputs: above >= 0 ? [above] : [],
      began: Math.floor(number / 10) * 100000, ended: Math.floor(number / 10) * 100000 + 90000, worker: stage, waited_for: above >= 0 ? above : null, layer: null });
    const texts = [];
    for (let at = 0; at < 1500; at += 1) texts.push(`${number}:${at} ${line}${at === 1400 ? " needle" : ""}\n`);
    logs.push(`<script type="application/json" id="log-${number}">${JSON.stringify([[1, texts.join("")]])}</script>`);
  }
  whole.document.steps = steps;
  whole.document.layers = [];
  whole.document.files = [];
  whole.document.critical_path = steps.map((_, number) => number).filter((number) => number % 10 === 0);
  const scripts = after.slice(after.lastIndexOf("<script>"));
  const text = `${before}<script type="application/json" id="report">${JSON.stringify(whole).replaceAll("<", "\\u003c")}</script>${logs.join("\n")}${scripts}`;
  fs.writeFileSync(path.join(work, "large.html"), text);
  return text.length;
}

const checks = [];
const check = (name, body) => checks.push({ name, body });
const url = (name) => pathToFileURL(path.join(work, name)).href;
const text = (page, selector) => page.run(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
const count = (page, selector) => page.run(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
const step = (page, words) => page.run(`Page.read("report").document.steps.findIndex((step) => step.name.includes(${JSON.stringify(words)}))`);

check("a build is shown whole", async (page) => {
  await page.open(url("first.html"));
  assert.match(await text(page, "h1"), /^shop/);
  for (const id of ["timeline", "graph", "steps", "search", "layers", "source"]) assert.equal(await count(page, `#${id}`), 1, id);
  assert.ok((await count(page, ".graph .node")) >= 12);
  assert.ok((await count(page, ".graph .edge")) >= 12);
  assert.ok((await count(page, ".bar-step.critical")) >= 2);
  assert.ok((await count(page, ".lane")) >= 2, "stages are built side by side");
  assert.match(await text(page, "#source .lint"), /⚠ /);
  assert.match(await text(page, "#files"), /\/srv\/data/);
  assert.match(await text(page, "#layers"), /line \d+/);
  assert.equal(await page.run("window.hacked"), undefined);
});

check("a step is opened by a click, and shows its log", async (page) => {
  await page.open(url("first.html"));
  const hostile = await step(page, "</script>");
  await page.click(`.graph .node[data-step="${hostile}"]`);
  await page.until('!document.getElementById("panel").hidden');
  assert.match(await text(page, "#panel .log"), /<\/script><script>window\.hacked = 1<\/script><img src=x/);
  assert.match(await text(page, "#panel dl"), /Processor.*Memory/s);
  await page.key("Escape");
  await page.until('document.getElementById("panel").hidden');
  const coloured = await step(page, "Compiling");
  await page.click(`#timeline [data-step="${coloured}"]`);
  await page.until('document.querySelector("#panel .log .f2.bold")?.textContent.includes("Compiling")');
  assert.equal(await page.run("location.hash"), `#step-${coloured}`);
  const bundled = await step(page, "bundling");
  await page.run(`document.querySelector("#steps [data-step='${bundled}'] button").click()`);
  await page.until('document.querySelector("#panel .log")?.textContent.includes("bundling 5 of 5")');
  assert.doesNotMatch(await text(page, "#panel .log"), /bundling 4/);
  assert.equal(await page.run("window.hacked"), undefined);
  assert.equal(await count(page, "#panel img"), 0);
});

check("a log is searched", async (page) => {
  await page.open(url("first.html"));
  const long = await step(page, "seq 1 20000");
  await page.open(`${url("first.html")}#step-${long}`);
  await page.until('!document.getElementById("panel").hidden');
  assert.ok((await count(page, "#panel .entry")) < 120, "only what is seen is drawn");
  await page.type("#panel input", "line 1999");
  await page.until('document.querySelector("#panel .entry.now mark")');
  assert.match(await text(page, "#panel [role=status]"), /1 of 11 lines/);
  await page.key("Enter");
  await page.run('document.querySelector("#panel .log").scrollTop = 1e9');
  await page.until('document.querySelector("#panel .log").textContent.includes("two lines")');
  const end = await text(page, "#panel .log");
  assert.match(end, /⟨U\+202E⟩reversed/);
  assert.doesNotMatch(end, /title/);
  assert.ok(await page.run('[...document.querySelectorAll("#panel .f1")].some((span) => span.textContent === "two lines")'), "a colour goes on");
  await page.key("Escape");
  await page.type("#search input", "unused rule");
  await page.until('document.querySelector("#search .hits button")');
  await page.click("#search .hits button");
  await page.until('!document.getElementById("panel").hidden');
});

check("steps are filtered and ordered", async (page) => {
  await page.open(url("second.html"));
  const all = await count(page, "#steps tbody tr");
  await page.type("#steps input", "cached");
  await page.until(`document.querySelectorAll("#steps tbody tr").length < ${all}`);
  assert.match(await text(page, "#steps tbody"), /saved/);
  await page.run('(() => { const input = document.querySelector("#steps input"); input.value = ""; input.dispatchEvent(new Event("input")); })()');
  await page.run('[...document.querySelectorAll("#steps th button")].find((head) => head.textContent === "Time").click()');
  const first = await page.run('Number(document.querySelector("#steps tbody tr").dataset.step)');
  const longest = await page.run('(() => { const all = Page.read("report").document.steps.map(Page.took); return all.indexOf(Math.max(...all)); })()');
  assert.equal(first, longest);
});

check("a failure comes first", async (page) => {
  await page.open(url("failed.html"));
  assert.match(await text(page, ".note.bad"), /exit code: 7/);
  assert.equal(await count(page, "#source .row.failed"), 1);
  const failed = await step(page, "about to fail");
  await page.click(`.graph .node[data-step="${failed}"]`);
  await page.until('document.querySelector("#panel .log")?.textContent.includes("about to fail")');
});

check("a build that made no plan has a report, too", async (page) => {
  await page.open(url("empty.html"));
  assert.match(await text(page, ".note.bad"), /unknown instruction/);
  assert.match(await text(page, "#timeline"), /No step was executed/);
  assert.equal(await count(page, "#graph"), 0);
});

check("two builds stand side by side", async (page) => {
  for (const name of ["compared.html", "compared-files.html"]) {
    await page.open(url(name));
    assert.equal(await text(page, "h1"), "Two builds");
    assert.match(await text(page, "#figures"), /Critical path/);
    const rows = await text(page, "#pairs tbody");
    assert.match(rows, /cached/);
    assert.match(rows, /main\.c/);
  }
});

check("it fits three widths, in both themes and on paper", async (page) => {
  const long = "seq 1 20000";
  for (const scheme of ["light", "dark"]) {
    await page.media("screen", scheme);
    for (const [width, height] of [[1280, 900], [820, 1000], [390, 844]]) {
      await page.size(width, height);
      await page.open(url("first.html"));
      const wide = await page.run("document.documentElement.scrollWidth");
      assert.ok(wide <= width, `${wide} of ${width} pixels`);
      const ground = await page.run("getComputedStyle(document.body).backgroundColor");
      assert.equal(ground, scheme === "dark" ? "rgb(16, 20, 26)" : "rgb(246, 247, 249)");
      await keep(page, `report-${scheme}-${width}`);
      await page.click(`.graph .node[data-step="${await step(page, long)}"]`);
      await page.until('document.querySelectorAll("#panel .entry").length > 5');
      const panel = await page.run('document.getElementById("panel").getBoundingClientRect().right');
      assert.ok(panel <= width + 1);
      await keep(page, `step-${scheme}-${width}`);
      if (width !== 820) {
        await page.open(url("compared.html"));
        assert.ok((await page.run("document.documentElement.scrollWidth")) <= width);
        await keep(page, `compared-${scheme}-${width}`);
      }
    }
  }
  await page.media("print", "light");
  await page.size(1280, 900);
  await page.open(url("first.html"));
  assert.equal(await page.run('getComputedStyle(document.querySelector(".controls")).display'), "none");
  const paper = await page.paper();
  assert.equal(paper.subarray(0, 5).toString(), "%PDF-");
  if (pictures) fs.writeFileSync(path.join(pictures, "report.pdf"), paper);
  await page.media("screen", "light");
});

check("500 steps and 50 MB of logs are there", async (page) => {
  const bytes = enlarge();
  assert.ok(bytes > 50e6);
  const times = [];
  // The aim is two seconds. The time is printed, but not asserted: others may use the machine.
  for (let attempt = 0; attempt < 3; attempt += 1) times.push(Math.round(await page.open(url("large.html"))));
  console.log(`   ${Math.round(bytes / 1e6)} MB: ${times.join(", ")} ms`);
  assert.equal(await count(page, ".graph .node"), 500);
  await page.click('.graph .node[data-step="490"]');
  await page.until('document.querySelector("#panel .log").textContent.includes("490:")');
  await page.key("Escape");
  await page.type("#search input", "NEEDLE");
  await page.until('/^500 lines$/.test(document.querySelector("#search [role=status]").textContent)');
  await page.size(1280, 900);
  await keep(page, "large");
});

async function keep(page, name) {
  if (pictures) fs.writeFileSync(path.join(pictures, `${name}.png`), await page.picture());
}

const found = ["chromium", "chromium-browser", "google-chrome"].find((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0);
let failures = 0;
try {
  if (!found) {
    if (process.env.RBUILD_TEST_NO_SKIP === "1") throw new Error("there is no chromium");
    console.log("skipped: there is no chromium");
    process.exit(0);
  }
  if (pictures) fs.mkdirSync(pictures, { recursive: true });
  demonstrate();
  const browser = new Browser(found, path.join(work, "profile"));
  for (const { name, body } of checks) {
    const page = await browser.page();
    await page.size(1280, 900);
    await page.media("screen", "light");
    try {
      await body(page);
      assert.deepEqual(page.errors, []);
      assert.deepEqual(page.requests.filter((request) => !/^(file|about):/.test(request)), [], "nothing is loaded from elsewhere");
      console.log(`ok ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAIL ${name}\n${error.stack}\n${page.errors.join("\n")}`);
    }
  }
  await browser.close();
} finally {
  fs.rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
}
console.log(`${checks.length - failures} passed, ${failures} failed`);
process.exit(failures ? 1 : 0);
