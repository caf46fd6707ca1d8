// Joints, states and actions of an episode in, one plot of many lines for each group out.

const HUES = 7; // classes hue-0 to hue-6

class MotionPlots extends Plots {
  show(groups, frames) {
    this.frames = frames;
    const figures = groups.map((group) => this.group(group));
    this.moving = figures.map(([, move]) => move);
    this.home.replaceChildren(...figures.map(([figure]) => figure));
  }

  group({ title, unit, names, values }) {
    const scale = rangeOf(values.flat());
    const art = svg("svg", {
      viewBox: `0 0 ${this.frames} 100`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    art.append(...values.flatMap((line, k) => lines(`hue-${k % HUES}`, line, scale)));
    const cursor = element("div", { class: "cursor" });
    const area = element(
      "div",
      { class: "area" },
      art,
      element("span", { class: "top" }, digits(scale.high)),
      element("span", { class: "bottom" }, digits(scale.low)),
      cursor,
    );
    this.listen(area);
    const readings = names.map((name, k) =>
      element("span", { class: `key hue-${k % HUES}` }, name, " ", element("b", {}, "")),
    );
    const figure = element(
      "figure",
      { class: "plot", "data-motion": title },
      element("figcaption", {}, element("b", {}, unit ? `${title} [${unit}]` : title)),
      area,
      element("p", { class: "legend" }, ...readings),
    );
    const move = (frame) => {
      cursor.style.left = `${((frame + 0.5) / this.frames) * 100}%`;
      readings.forEach((reading, k) => {
        const value = values[k][frame] ?? null;
        reading.lastChild.textContent = value === null ? "unknown" : digits(value);
      });
    };
    return [figure, move];
  }
}

function rangeOf(values) {
  const known = values.filter((value) => value !== null);
  let low = known.length ? known.reduce((a, b) => Math.min(a, b)) : 0;
  let high = known.length ? known.reduce((a, b) => Math.max(a, b)) : 1;
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  return { low, high, y: (value) => 4 + 92 * (1 - (value - low) / (high - low)) };
}
