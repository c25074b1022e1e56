// The panel of a step: why it was executed, its resources and its output; and the search in all logs.
"use strict";
{
  const MOST_HITS = 200;

  const facts = (document_, number, select) => {
    const step = document_.steps[number], used = step.resources;
    const link = (other) => Page.make("button", { class: "link", onclick: () => select(other) }, Page.harmless(document_.steps[other].name.replace(/\s+/g, " ")));
    const inputs = step.inputs.filter((input) => document_.steps[input].name);
    const waited = step.waited_for === null ? null
      : [link(step.waited_for), step.waited >= 1000 ? ` and then ${Page.time(step.waited)} for a worker` : ""];
    const list = [
      ["Why", step.why.length ? Page.harmless(step.why.join("; ")) : step.state === "cached" ? "nothing that it depends on has changed" : null],
      ["Time", step.began === null ? null : `${Page.time(Page.took(step))}, begun at ${Page.time(step.began)}`],
      ["Saved", step.saved ? `${Page.time(step.saved)}, which it took when it was executed` : null],
      ["If cached", step.would_save ? `the build had been ${Page.time(step.would_save)} shorter` : step.began !== null ? "nothing: it is not on the critical path" : null],
      ["Waited for", waited],
      ["Processor", used ? `${Page.time(used.user)} in the program, ${Page.time(used.system)} in the kernel` : null],
      ["Memory", used ? `${used.is_bound ? "at most " : "peak "}${Page.size(used.peak_memory)}` : null],
      ["Disk", used ? `${Page.size(used.read)} read, ${Page.size(used.written)} written` : null],
      ["Network", used && used.received !== undefined ? `${Page.size(used.received)} received, ${Page.size(used.sent ?? 0)} sent` : null],
      ["Layer", step.layer ? [`${Page.size(step.layer_bytes)}, `, Page.make("code", {}, step.layer.slice(0, 19))] : null],
      ["Lines", step.lines ? (step.lines[0] === step.lines[1] ? String(step.lines[0]) : `${step.lines[0]} to ${step.lines[1]}`) : null],
      ["Needs", inputs.length ? inputs.flatMap((input, index) => [index ? ", " : "", link(input)]) : null],
    ];
    return Page.make("dl", {}, list.filter(([, value]) => value !== null).flatMap(([name, value]) => [Page.make("dt", {}, name), Page.make("dd", {}, value)]));
  };

  const logPart = (step, number, line, logs) => {
    if (!step.printed) return { parts: [Page.make("p", { class: "soft" }, step.began === null ? "It was not executed." : "It printed nothing.")] };
    const log = Page.log(number);
    const view = new Page.LogView(log);
    const found = Page.make("span", { class: "soft", role: "status" });
    const tell = (place) => {
      found.textContent = view.wanted ? `${place ? `${place} of ` : ""}${Page.count(view.hits.length, "line")}` : Page.count(log.texts.length, "line");
    };
    const input = Page.make("input", {
      type: "search", placeholder: "Search in this log", "aria-label": "Search in this log",
      oninput: () => { view.search(input.value); tell(view.step(1)); },
      onkeydown: (event) => { if (event.key === "Enter") tell(view.step(event.shiftKey ? -1 : 1)); },
    });
    const bar = Page.make("div", { class: "bar controls" }, input,
      Page.make("button", { "aria-label": "previous", onclick: () => tell(view.step(-1)) }, "\u2191"),
      Page.make("button", { "aria-label": "next", onclick: () => tell(view.step(1)) }, "\u2193"), found);
    tell(0);
    const ends = [logs?.cut?.includes(number) ? "The report has only the beginning of this log." : null, step.log_end ? `The log ends early: ${step.log_end}` : null];
    return { parts: [bar, view.element, ...ends.filter(Boolean).map((text) => Page.make("p", { class: "soft" }, text))], view, line };
  };

  Page.panel = (document_, logs) => {
    const panel = document.getElementById("panel");
    let before = null;
    const close = () => {
      panel.hidden = true;
      panel.replaceChildren();
      history.replaceState(null, "", location.pathname + location.search);
      before?.focus();
    };
    const select = (number, line) => {
      const step = document_.steps[number];
      if (!step?.name) return;
      if (panel.hidden) before = document.activeElement;
      const { parts, view } = logPart(step, number, line, logs);
      const shut = Page.make("button", { "aria-label": "close", onclick: close }, "\u2715");
      panel.replaceChildren(Page.make("div", { class: "top" }, Page.make("h2", { class: "mono" }, Page.harmless(step.name)), Page.state(step.state), shut),
        facts(document_, number, select), ...parts);
      panel.hidden = false;
      shut.focus({ preventScroll: true });
      if (view) view.show(line ?? (step.state === "failed" ? view.log.texts.length : 0));
      history.replaceState(null, "", `#step-${number}`);
    };
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !panel.hidden) close();
    });
    return select;
  };

  Page.search = (document_, select) => {
    const numbers = document_.steps.map((step, number) => (step.printed ? number : -1)).filter((number) => number >= 0);
    if (!numbers.length) return null;
    const hits = Page.make("div", { class: "hits" });
    const status = Page.make("span", { class: "soft", role: "status" });
    let run = 0;
    /** One step at a time, so that the page stays responsive. */
    const search = async () => {
      const own = (run += 1), wanted = input.value.toLowerCase();
      hits.replaceChildren();
      status.textContent = "";
      if (wanted.length < 2) return;
      let total = 0, shown = 0;
      for (const number of numbers) {
        await new Promise((go) => setTimeout(go));
        if (own !== run) return;
        const { texts } = Page.log(number);
        const found = [];
        for (let line = 0; line < texts.length; line += 1) {
          if (texts[line].length >= wanted.length && Page.plain(texts[line]).toLowerCase().includes(wanted)) found.push(line);
        }
        total += found.length;
        status.textContent = `${Page.count(total, "line")}\u2026`;
        if (!found.length || shown >= MOST_HITS) continue;
        hits.append(Page.make("div", { class: "of" }, `${Page.harmless(document_.steps[number].name)} (${found.length})`));
        for (const line of found.slice(0, Math.min(20, MOST_HITS - shown))) {
          shown += 1;
          hits.append(Page.make("button", { class: "mono", "data-step": String(number), onclick: () => select(number, line) }, Page.plain(texts[line]).slice(0, 400)));
        }
      }
      status.textContent = Page.count(total, "line");
    };
    let soon = null;
    const input = Page.make("input", {
      type: "search", placeholder: "Search all logs", "aria-label": "Search all logs",
      oninput: () => { clearTimeout(soon); soon = setTimeout(search, 150); },
    });
    const section = Page.section("search", "Logs", [input, status], hits);
    section.classList.add("controls");
    return section;
  };
}
