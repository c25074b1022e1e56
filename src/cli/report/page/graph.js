// The steps as a graph: a column for each stage, and each step below those it depends on.
"use strict";
{
  const WIDTH = 232, HEIGHT = 40, GAP_X = 46, GAP_Y = 16, HEAD = 30;

  const layout = (steps) => {
    const columns = new Map(), rows = [], used = new Map(), places = [];
    steps.forEach((step, number) => {
      rows[number] = 0;
      if (!step.name) return;
      const { stage } = Page.parts(step.name);
      if (!columns.has(stage)) columns.set(stage, columns.size);
      const column = columns.get(stage);
      const inputs = step.inputs.filter((input) => steps[input].name);
      const below = Math.max(0, ...inputs.map((input) => rows[input] + 1), used.get(column) ?? 0);
      rows[number] = below;
      used.set(column, below + 1);
      places[number] = { x: 12 + column * (WIDTH + GAP_X), y: HEAD + below * (HEIGHT + GAP_Y) };
    });
    return { columns, places };
  };

  const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}\u2026` : text);

  Page.graph = (document_, select) => {
    const { steps } = document_;
    const critical = new Set(document_.critical_path);
    const { columns, places } = layout(steps);
    if (!columns.size) return null;
    const width = 24 + columns.size * (WIDTH + GAP_X) - GAP_X;
    const height = Math.max(HEAD, ...places.filter(Boolean).map((place) => place.y)) + HEIGHT + 14;
    const svg = Page.draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "The steps and what they need" });
    for (const [stage, column] of columns) {
      svg.append(Page.draw("text", { class: "stage", x: 12 + column * (WIDTH + GAP_X), y: 19 }, short(stage || "steps", 30)));
    }
    const nodes = [];
    steps.forEach((step, number) => {
      const own = places[number];
      if (!own) return;
      for (const input of new Set(step.inputs)) {
        const from = places[input];
        if (!from) continue;
        const isCritical = critical.has(number) && critical.has(input);
        const path = from.x === own.x
          ? `M${from.x + 20} ${from.y + HEIGHT} V${own.y}`
          : from.x < own.x
            ? `M${from.x + WIDTH} ${from.y + HEIGHT / 2} C${from.x + WIDTH + GAP_X} ${from.y + HEIGHT / 2} ${own.x - GAP_X} ${own.y + HEIGHT / 2} ${own.x} ${own.y + HEIGHT / 2}`
            : `M${from.x} ${from.y + HEIGHT / 2} C${from.x - GAP_X} ${from.y + HEIGHT / 2} ${own.x + WIDTH + GAP_X} ${own.y + HEIGHT / 2} ${own.x + WIDTH} ${own.y + HEIGHT / 2}`;
        svg.append(Page.draw("path", { class: `edge${isCritical ? " critical" : ""}`, d: path }));
      }
      const took = step.state === "cached" ? "cached" : step.began === null ? Page.STATES[step.state] : Page.time(Page.took(step));
      const text = Page.harmless(Page.parts(step.name).text.replace(/\s+/g, " "));
      const note = step.why.length ? `${took} \u00b7 ${step.why[0]}` : took;
      nodes.push(Page.draw("g", {
        class: `node ${step.state}${critical.has(number) ? " critical" : ""}`, transform: `translate(${own.x} ${own.y})`, tabindex: "0",
        role: "button", "aria-label": `${step.name}, ${took}`, "data-step": String(number), onclick: () => select(number),
        onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); select(number); } },
      },
        Page.draw("title", {}, step.name),
        Page.draw("rect", { width: WIDTH, height: HEIGHT, rx: 7 }),
        Page.draw("rect", { class: "flag", x: 0, y: 6, width: 4, height: HEIGHT - 12, rx: 2 }),
        Page.draw("text", { x: 12, y: 17 }, short(text || step.name, 30)),
        Page.draw("text", { class: "time", x: 12, y: 32 }, short(note, 36))));
    });
    svg.append(...nodes);
    const states = [...new Set(steps.filter((step) => step.name).map((step) => step.state))];
    const legend = Page.make("div", { class: "legend" }, states.map((state) => Page.make("span", { class: state }, Page.make("i"), Page.STATES[state])));
    return Page.section("graph", "Graph", legend, Page.make("div", { class: "graph scroll", tabindex: "0" }, svg));
  };
}
