// Puts the page together.
"use strict";
{
  const { kind, document: document_, comparison, logs, program } = Page.read("report");
  const main = document.getElementById("main"), head = document.getElementById("head");
  if (kind === "comparison") {
    head.replaceChildren(Page.make("h1", {}, "Two builds"));
    main.replaceChildren(...Page.compare(comparison));
  } else {
    const select = Page.panel(document_, logs);
    head.replaceChildren(...Page.head(document_));
    const parts = [
      Page.summary(document_), ...Page.notes(document_), Page.timeline(document_, select), Page.graph(document_, select),
      Page.steps(document_, select), Page.search(document_, select), Page.layers(document_, select), Page.source(document_, select),
    ];
    main.replaceChildren(...parts.filter(Boolean));
    const linked = /^#step-(\d+)$/.exec(location.hash);
    if (linked) select(Number(linked[1]));
  }
  main.append(Page.make("p", { class: "facts" }, `Made by ${program}. Nothing is loaded from elsewhere.`));
  document.documentElement.dataset.ready = "true";
}
