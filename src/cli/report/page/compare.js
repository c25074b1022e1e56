// Two builds side by side.
"use strict";
{
  const signed = (number, word) => (number === 0 ? "same" : `${number > 0 ? "+" : "\u2212"}${word(Math.abs(number))}`);
  const change = (before, after, word) => {
    if (before === null || after === null) return Page.make("span", { class: "soft" }, before === null ? "new" : "gone");
    const by = after - before;
    return Page.make("span", { class: by > 0 ? "up" : by < 0 ? "down" : "soft" }, signed(by, word));
  };

  Page.compare = ({ first, second, rows }) => {
    const sides = [first, second];
    const head = sides.map((side, index) => Page.make("section", {},
      Page.make("div", { class: "title" }, Page.make("h2", {}, `${index ? "B" : "A"}: ${side.build.name}`), Page.state(side.build.status)),
      Page.make("p", { class: "facts" }, Page.make("span", {}, side.build.started.replace("T", " ").replace(/\.\d+Z$/, " UTC")), Page.make("code", {}, side.build.id)),
      ...Page.notes(side)));
    const sum = (side, of) => side.steps.reduce((all, step) => all + of(step), 0);
    const figures = [
      ["Time", (side) => side.build.nanoseconds / 1000, Page.time],
      ["Critical path", (side) => side.critical, Page.time],
      ["Steps that were executed", (side) => side.steps.filter((step) => step.began !== null).length, String],
      ["Processor time", (side) => sum(side, (step) => (step.resources ? step.resources.user + step.resources.system : 0)), Page.time],
      ["Size of new layers", (side) => sum(side, (step) => step.layer_bytes), Page.size],
      ["Size of the image", (side) => side.layers.reduce((all, layer) => all + layer.bytes, 0), Page.size],
      ["Printed", (side) => sum(side, (step) => step.printed), Page.size],
      ["Warnings", (side) => side.warnings.length, String],
    ];
    const cell = (value, word) => Page.make("td", { class: "number" }, word(value));
    const table = (id, names, body) => Page.make("div", { class: "scroll" }, Page.make("table", { id },
      Page.make("thead", {}, Page.make("tr", {}, names.map((name, index) => Page.make("th", { class: index ? "number" : "" }, name)))), Page.make("tbody", {}, body)));
    const totals = figures.map(([name, of, word]) => Page.make("tr", {}, Page.make("td", {}, name), cell(of(first), word), cell(of(second), word),
      Page.make("td", { class: "number" }, change(of(first), of(second), word))));
    const shown = (step) => (step === null ? "" : step.began === null ? Page.STATES[step.state] : Page.time(Page.took(step)));
    const pairs = rows.map(({ first: one, second: other }) => [one === null ? null : first.steps[one], other === null ? null : second.steps[other]]);
    const longest = Math.max(1, ...pairs.flat().map((step) => (step ? Page.took(step) : 0)));
    const meter = (step) => {
      const bar = Page.make("span", { class: `meter ${step?.state ?? ""}` });
      bar.style.width = `${step ? Math.max(Page.took(step) ? 1 : 0, (Page.took(step) / longest) * 90) : 0}px`;
      bar.style.background = "var(--own, transparent)";
      return bar;
    };
    const steps = pairs.filter(([one, other]) => (one ?? other).name).map(([one, other]) => {
      const why = other?.why.length ? Page.make("span", { class: "why" }, Page.harmless(other.why.join("; "))) : null;
      return Page.make("tr", {}, Page.make("td", { class: "text" }, Page.harmless((other ?? one).name.replace(/\n/g, " ")), why),
        Page.make("td", { class: "number" }, shown(one), " ", meter(one)), Page.make("td", { class: "number" }, shown(other), " ", meter(other)),
        Page.make("td", { class: "number" }, change(one && Page.took(one), other && Page.took(other), Page.time)),
        Page.make("td", { class: "number optional" }, change(one && one.layer_bytes, other && other.layer_bytes, Page.size)));
    });
    return [
      Page.make("div", { class: "cards sides" }, head),
      Page.section("totals", "In all", null, table("figures", ["", "A", "B", "B against A"], totals)),
      Page.section("steps", "Steps", null, table("pairs", ["Step", "A", "B", "Time", "Layer"], steps)),
    ];
  };
}
