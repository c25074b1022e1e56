// When each step was executed, by which worker, and what it waited for.
"use strict";
{
  /** Steps of unfinished builds have no worker: they get the first free lane. */
  const lanesOf = (steps) => {
    const lanes = [];
    const executed = steps.map((step, number) => ({ step, number })).filter(({ step }) => step.began !== null && step.name);
    executed.sort((left, right) => left.step.began - right.step.began);
    const ends = [];
    for (const entry of executed) {
      let lane = entry.step.worker;
      if (lane === null) {
        lane = ends.findIndex((end) => end <= entry.step.began);
        if (lane < 0) lane = ends.length;
      }
      ends[lane] = entry.step.ended;
      (lanes[lane] ??= []).push(entry);
    }
    return lanes.map((lane) => lane ?? []).filter((lane) => lane.length);
  };

  const ticks = (whole, width) => {
    const wanted = whole / Math.max(2, Math.floor(width / 110));
    const power = 10 ** Math.floor(Math.log10(wanted));
    const every = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= wanted) ?? wanted;
    const places = [];
    for (let at = 0; at <= whole; at += every) places.push(at);
    return places;
  };

  Page.timeline = (document_, select) => {
    const { steps } = document_;
    const lanes = lanesOf(steps);
    if (!lanes.length) {
      return Page.section("timeline", "Timeline", null, Page.make("p", { class: "soft" }, "No step was executed: everything was in the cache."));
    }
    const critical = new Set(document_.critical_path);
    const whole = Math.max(document_.build.nanoseconds / 1000, ...steps.map((step) => step.ended ?? 0), 1);
    const box = Page.make("div", { class: "lanes" });
    const bars = new Map();
    const draw = (zoom) => {
      box.style.width = `${zoom * 100}%`;
      const place = (at) => `${(at / whole) * 100}%`;
      const width = (outer.clientWidth || 900) * zoom;
      const rows = lanes.map((lane) => Page.make("div", { class: "lane" }, lane.flatMap(({ step, number }) => {
        const took = Page.took(step), pixels = (took / whole) * width;
        const bar = Page.make("button", {
          class: `bar-step ${step.state}${critical.has(number) ? " critical" : ""}${pixels < 30 ? " narrow" : ""}`,
          title: `${step.name}\n${Page.time(took)}${critical.has(number) ? ", on the critical path" : ""}`,
          "aria-label": `${step.name}, ${Page.time(took)}`, "data-step": String(number),
          onclick: () => select(number), onmouseenter: () => light(number), onmouseleave: () => light(null), onfocus: () => light(number), onblur: () => light(null),
        }, pixels < 30 ? "" : Page.parts(step.name).text);
        bar.style.left = place(step.began);
        bar.style.width = place(took);
        bars.set(number, bar);
        if (step.waited < whole / 500) return [bar];
        const wait = Page.make("span", { class: "bar-wait", title: `waited ${Page.time(step.waited)} for a worker` });
        wait.style.left = place(step.began - step.waited);
        wait.style.width = place(step.waited);
        return [wait, bar];
      })));
      const marks = ticks(whole, width).map((at) => {
        const mark = Page.make("span", { class: "tick" }, at === 0 ? "0" : Page.time(at));
        mark.style.left = place(at);
        return mark;
      });
      box.replaceChildren(...marks, ...rows);
    };
    /** A step with its dependencies and dependents. */
    const light = (number) => {
      for (const [other, bar] of bars) {
        const isNear = number === null || other === number || steps[number].inputs.includes(other)
          || steps[other].inputs.includes(number) || steps[number].waited_for === other;
        bar.classList.toggle("dim", !isNear);
      }
    };
    let zoom = 1;
    const change = (factor) => {
      zoom = Math.min(64, Math.max(1, zoom * factor));
      draw(zoom);
    };
    const outer = Page.make("div", { class: "scroll" }, box);
    const legend = Page.make("div", { class: "legend" },
      ["executed", "failed", "canceled"].filter((state) => steps.some((step) => step.state === state)).map((state) =>
        Page.make("span", { class: state }, Page.make("i"), Page.STATES[state])),
      Page.make("span", { class: "critical" }, Page.make("i"), "critical path"),
      Page.make("span", { class: "waited" }, Page.make("i"), "waited for a worker"));
    const buttons = Page.make("span", { class: "push controls" },
      Page.make("button", { "aria-label": "zoom out", onclick: () => change(0.5) }, "\u2212"), " ",
      Page.make("button", { "aria-label": "zoom in", onclick: () => change(2) }, "+"));
    new ResizeObserver(() => draw(zoom)).observe(outer);
    return Page.section("timeline", "Timeline", [legend, buttons], outer);
  };
}
