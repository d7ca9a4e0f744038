// Checks the layout of the page with everything unfolded, and writes the result into the page around it.
(() => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const boxOf = (one) => one.getBoundingClientRect();
  const size = (one) => [boxOf(one).width, boxOf(one).height];
  const beyond = (one) => boxOf(one).left < -1 || boxOf(one).right > innerWidth + 1;
  const all = (within, selector) => [...within.querySelectorAll(selector)];

  // What may be wider than the window: hidden heads of tables, and tables that scroll in themselves.
  const wide = all(document, "main *").filter((one) => boxOf(one).width > 0 && beyond(one)
    && !one.closest("svg, .unseen, thead, .wide"));

  // Labels of one scale that overlap on one line.
  const overlaps = (plot) => all(plot, "svg.field").filter((field) => {
    const labels = all(field, "text").map(boxOf);
    return labels.some((one, i) => labels.slice(i + 1).some((other) => Math.abs(one.top - other.top) < 2
      && one.left < other.right && other.left < one.right));
  }).length;

  const seen = {
    width: innerWidth,
    scrolls: document.documentElement.scrollWidth,
    wide: wide.slice(0, 5).map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 60)}`),
    plots: all(document, "figure.plot").map((plot) => ({
      kind: plot.className,
      title: plot.querySelector("figcaption strong").textContent,
      size: size(plot),
      fields: all(plot, "svg.field").map(size),
      marks: all(plot, "svg.field .dot, .point, .interval, .line, .stretch").map(size),
      outside: all(plot, "text, .dot, .point, .interval, .middle, .stretch").filter(beyond).length,
      overlaps: overlaps(plot),
    })),
  };
  const left = parent.document.createElement("pre");
  left.id = "seen";
  left.textContent = JSON.stringify(seen);
  parent.document.body.append(left);
})();
