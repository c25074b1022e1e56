// The build in numbers and lists: a summary, its steps, its layers and largest files, and its Dockerfile.
"use strict";
{
  const card = (value, label) => Page.make("div", { class: "card" }, Page.make("b", {}, value), Page.make("span", {}, label));

  Page.head = (document_) => {
    const { build } = document_;
    const facts = [build.started.replace("T", " ").replace(/\.\d+Z$/, " UTC"), build.platforms.join(", "), build.dockerfile, build.id];
    const names = build.tags?.length ? Page.make("p", { class: "facts" }, "Tagged ", build.tags.map((tag) => Page.make("code", {}, tag))) : null;
    const image = build.image ? Page.make("p", { class: "facts" }, "Image ", Page.make("code", {}, build.image)) : null;
    return [
      Page.make("div", { class: "title" }, Page.make("h1", {}, build.name || "build"), Page.state(build.status)),
      Page.make("p", { class: "facts" }, facts.filter(Boolean).map((fact) => Page.make("span", {}, Page.harmless(fact)))),
      names, image,
    ].filter(Boolean);
  };

  Page.summary = (document_) => {
    const { build, steps } = document_;
    const used = steps.map((step) => step.resources).filter(Boolean);
    const processor = used.reduce((sum, one) => sum + one.user + one.system, 0);
    const peak = Math.max(0, ...used.map((one) => one.peak_memory));
    const saved = steps.reduce((sum, step) => sum + step.saved, 0);
    return Page.make("div", { class: "cards" },
      card(Page.time(build.nanoseconds / 1000), "in all"),
      card(`${build.cached} of ${build.total}`, "steps were cached"),
      document_.critical ? card(Page.time(document_.critical), "on the critical path") : null,
      saved ? card(Page.time(saved), "saved by the cache") : null,
      used.length ? card(Page.time(processor), "of processor time") : null,
      used.length ? card(Page.size(peak), "peak memory of a step") : null,
      document_.layers.length ? card(Page.size(document_.layers.reduce((sum, layer) => sum + layer.bytes, 0)), Page.count(document_.layers.length, "layer")) : null,
      build.warnings ? card(String(build.warnings), build.warnings === 1 ? "warning" : "warnings") : null);
  };

  Page.notes = (document_) => {
    const { failure } = document_.build;
    const failed = failure && Page.make("div", { class: "note bad", role: "alert" },
      Page.make("b", {}, failure.step ? `${failure.step}: ` : ""), Page.harmless(failure.message),
      failure.excerpt ? Page.make("pre", {}, failure.excerpt) : null);
    return [failed, ...document_.notes.map((note) => Page.make("div", { class: "note" }, Page.harmless(note)))].filter(Boolean);
  };

  const COLUMNS = [
    ["Step", "text", (step, number) => number],
    ["State", "", (step) => step.state],
    ["Time", "number", (step) => Page.took(step)],
    ["Waited", "number optional", (step) => step.waited],
    ["If cached", "number optional", (step) => step.would_save],
    ["CPU", "number optional", (step) => (step.resources ? step.resources.user + step.resources.system : 0)],
    ["Memory", "number optional", (step) => step.resources?.peak_memory ?? 0],
    ["Layer", "number", (step) => step.layer_bytes],
  ];

  const cells = (step, number, select) => {
    const used = step.resources;
    const text = Page.make("button", { class: "link clip", onclick: () => select(number) }, Page.harmless(step.name.replace(/\n/g, " ")));
    const took = step.state === "cached" ? (step.saved ? `saved ${Page.time(step.saved)}` : "") : step.began === null ? "" : Page.time(Page.took(step));
    return [
      [text, step.why.length ? Page.make("span", { class: "why" }, Page.harmless(step.why.join("; "))) : null],
      [Page.state(step.state)], [took], [step.waited >= 1000 ? Page.time(step.waited) : ""],
      [step.would_save ? `\u2212${Page.time(step.would_save)}` : ""], [used ? Page.time(used.user + used.system) : ""],
      [used ? `${used.is_bound ? "\u2264 " : ""}${Page.size(used.peak_memory)}` : ""], [step.layer_bytes ? Page.size(step.layer_bytes) : ""],
    ];
  };

  Page.steps = (document_, select) => {
    const body = Page.make("tbody");
    const all = document_.steps.map((step, number) => ({ step, number })).filter(({ step }) => step.name);
    let order = null, isDown = true;
    const rows = all.map((entry) => ({ ...entry, row: Page.make("tr", { "data-step": String(entry.number) },
      cells(entry.step, entry.number, select).map((content, column) => Page.make("td", { class: COLUMNS[column][1] }, content))) }));
    const arrange = () => {
      const wanted = filter.value.toLowerCase();
      const shown = rows.filter(({ step }) => `${step.name} ${step.state} ${step.why.join(" ")}`.toLowerCase().includes(wanted));
      if (order) shown.sort((left, right) => {
        const [a, b] = [order(left.step, left.number), order(right.step, right.number)];
        return (a < b ? -1 : a > b ? 1 : 0) * (isDown ? -1 : 1);
      });
      body.replaceChildren(...shown.map(({ row }) => row));
      count.textContent = Page.count(shown.length, "step");
    };
    const count = Page.make("span", { class: "soft push" });
    const filter = Page.make("input", { type: "search", placeholder: "Filter steps", "aria-label": "Filter steps", class: "controls", oninput: arrange });
    const heads = COLUMNS.map(([name, kind, value]) => Page.make("th", { class: kind }, Page.make("button", { onclick: () => {
      isDown = order === value ? !isDown : name !== "Step";
      order = value;
      arrange();
    } }, name)));
    arrange();
    return Page.section("steps", "Steps", [filter, count],
      Page.make("div", { class: "scroll" }, Page.make("table", {}, Page.make("thead", {}, Page.make("tr", {}, heads)), body)));
  };

  Page.layers = (document_, select) => {
    const { layers, files, steps } = document_;
    if (!layers.length) return null;
    const whole = layers.reduce((sum, layer) => sum + layer.bytes, 0) || 1;
    const origin = (layer) => {
      if (layer.step === null) return [Page.make("span", { class: "soft" }, "base image"), " ", Page.harmless(layer.made_by)];
      const step = steps[layer.step];
      const line = step.lines ? `line ${step.lines[0]}` : "";
      return [Page.make("button", { class: "link", onclick: () => select(layer.step) }, line || "step"), " ", Page.harmless(Page.parts(step.name).text)];
    };
    const stack = Page.make("div", { class: "stack", "aria-hidden": "true" }, layers.map((layer) => {
      const part = Page.make("span", { class: layer.step === null ? "base" : "", title: `${Page.size(layer.bytes)}: ${layer.made_by}` });
      part.style.flexGrow = String(layer.bytes / whole);
      return part;
    }));
    const rows = layers.map((layer) => {
      const meter = Page.make("span", { class: `meter${layer.step === null ? " base" : ""}` });
      meter.style.width = `${Math.max(1, (layer.bytes / whole) * 110)}px`;
      return Page.make("tr", {}, Page.make("td", { class: "number" }, Page.size(layer.bytes)), Page.make("td", { class: "optional" }, meter),
        Page.make("td", { class: "text" }, Page.make("span", { class: "clip" }, origin(layer))));
    });
    const largest = files.map((file) => Page.make("tr", {}, Page.make("td", { class: "number" }, Page.size(file.bytes)),
      Page.make("td", { class: "text mono" }, Page.harmless(file.path)), Page.make("td", {}, origin(layers[file.layer])[0])));
    const head = (...names) => Page.make("thead", {}, Page.make("tr", {}, names.map((name) => Page.make("th", {}, name))));
    return Page.section("layers", "Layers", Page.make("span", { class: "soft push" }, Page.size(whole)), stack,
      Page.make("div", { class: "scroll" }, Page.make("table", {}, Page.make("tbody", {}, rows))),
      largest.length ? Page.make("div", { class: "bar below" }, Page.make("h2", {}, "Largest files")) : null,
      largest.length ? Page.make("div", { class: "scroll" }, Page.make("table", { id: "files" }, head("Size", "Path", "From"), Page.make("tbody", {}, largest))) : null);
  };

  /** The Dockerfile, with the cost of each line and the warnings about it. */
  Page.source = (document_, select) => {
    if (!document_.dockerfile) return null;
    const critical = new Set(document_.critical_path);
    const owner = new Map(), warnings = new Map();
    document_.steps.forEach((step, number) => { if (step.lines && step.name) (owner.get(step.lines[0]) ?? owner.set(step.lines[0], []).get(step.lines[0])).push(number); });
    for (const warning of document_.warnings) (warnings.get(warning.line) ?? warnings.set(warning.line, []).get(warning.line)).push(warning);
    const lines = document_.dockerfile.text.replace(/\n$/, "").split("\n");
    const rows = lines.flatMap((line, index) => {
      const numbers = owner.get(index + 1) ?? [];
      const took = numbers.reduce((sum, number) => sum + Page.took(document_.steps[number]), 0);
      const bytes = numbers.reduce((sum, number) => sum + document_.steps[number].layer_bytes, 0);
      const isCached = numbers.length && numbers.every((number) => document_.steps[number].state === "cached");
      const cost = [isCached ? "cached" : took ? Page.time(took) : "", bytes ? Page.size(bytes) : ""].filter(Boolean).join(", ");
      const failed = numbers.some((number) => document_.steps[number].state === "failed") ? " failed" : "";
      const mark = numbers.some((number) => critical.has(number)) ? " critical" : "";
      const button = numbers.length ? Page.make("button", { class: "link", onclick: () => select(numbers[0]) }, String(index + 1)) : String(index + 1);
      return [
        Page.make("div", { class: `row${mark}${failed}`, "data-line": String(index + 1) }, Page.make("span", { class: "at" }, button),
          Page.make("span", { class: "cost" }, cost), Page.make("span", { class: "said" }, Page.harmless(line) || " ")),
        ...(warnings.get(index + 1) ?? []).map((warning) => Page.make("div", { class: "lint" }, `\u26a0 ${warning.rule}: ${Page.harmless(warning.detail)}`)),
      ];
    });
    return Page.section("source", Page.harmless(document_.dockerfile.name), null, Page.make("div", { class: "source mono" }, rows));
  };
}
