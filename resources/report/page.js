// Values under the pointer, read back out of the curves themselves. Without script the page says all but these.
(() => {
  const graphs = document.querySelector(".graphs");
  if (!graphs) return;
  const since = Number(graphs.dataset.since), span = Number(graphs.dataset.span);
  const shown = (v) => Math.abs(v) >= 100 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3)));
  const points = (path) => [...path.getAttribute("d").matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]);
  const plots = [...graphs.querySelectorAll(".plot")].map((figure) => ({
    top: Number(figure.dataset.top),
    hair: figure.querySelector(".hair"),
    outputs: figure.querySelectorAll(".legend output"),
    paths: figure.querySelectorAll(".canvas .line"),
    curves: null,
  }));
  const nearest = (curve, x) => curve.reduce((best, p) => Math.abs(best[0] - x) > Math.abs(p[0] - x) ? p : best, [Infinity, 0]);
  const show = (share) => {
    graphs.querySelector(".at").textContent = share === null ? "" : "Here: " + (since + share * span).toFixed(1) + " s";
    for (const plot of plots) {
      plot.curves = plot.curves || [...plot.paths].map(points);
      plot.hair.hidden = share === null;
      plot.hair.style.left = (share || 0) * 100 + "%";
      plot.curves.forEach((curve, at) => {
        const point = share === null ? [Infinity, 0] : nearest(curve, share * 1000);
        const near = 15 > Math.abs(point[0] - (share || 0) * 1000);
        plot.outputs[at].textContent = near ? shown((100 - point[1]) / 100 * plot.top) : "";
      });
    }
  };
  for (const canvas of graphs.querySelectorAll(".canvas")) {
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      show(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    });
    canvas.addEventListener("pointerleave", () => show(null));
  }
})();
