// Scores of a clip in, one small plot for each out; a click or drag on one asks for that frame.

const DIRECTIONS = {
  higher: "higher is better",
  lower: "lower is better",
  neutral: "describes, never judges",
};

class Plots {
  constructor(home, seek) {
    this.home = home;
    this.seek = seek;
    this.moving = [];
  }

  show(scores, clip, chosen) {
    this.frames = clip.num_frames;
    const shown = scores.filter((score) => clip.takes.some((take) => plotOf(take, score)));
    const figures = shown.map((score) => this.figure(score, clip, chosen));
    this.moving = figures.map(([, move]) => move);
    this.home.replaceChildren(...figures.map(([figure]) => figure));
    if (!shown.length) {
      this.home.append(element("p", { class: "soft" }, "This take was not scored: simlift score RUN."));
    }
  }

  moveTo(frame) {
    for (const move of this.moving) move(frame);
  }

  figure(score, clip, chosen) {
    const all = clip.takes.map((take) => plotOf(take, score));
    const mine = all[chosen];
    const scale = scaleOf(score, all, mine);
    const drawn = [
      ...all.filter((plot) => plot && plot !== mine).flatMap((plot) => lines("other", plot.values, scale)),
      ...lines("render", mine?.render_values ?? [], scale),
      ...lines("selected", mine?.values ?? [], scale),
    ];
    const art = svg("svg", {
      viewBox: `0 0 ${this.frames} 100`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    art.append(...gateMarks(score, scale, this.frames), ...windowStartMarks(clip.takes[chosen]), ...drawn);
    const cursor = element("div", { class: "cursor" });
    const dot = element("div", { class: "dot" });
    const reading = element("span", { class: "reading" });
    const area = element(
      "div",
      { class: "area" },
      art,
      element("span", { class: "top" }, digits(scale.high)),
      element("span", { class: "bottom" }, digits(scale.low)),
      cursor,
      dot,
    );
    this.listen(area);
    const figure = element(
      "figure",
      { class: "plot", "data-score": score.name, title: score.definition || null },
      element(
        "figcaption",
        {},
        element("b", {}, score.title, " ", element("code", {}, score.name)),
        element("span", { class: mine?.passes === false ? "total fail" : "total" }, total(score, mine)),
        reading,
      ),
      area,
      element("p", { class: "definition" }, explanation(score, mine)),
      ...twinNote(score, clip.takes[chosen]),
    );
    const move = (frame) => {
      const value = mine?.values[frame] ?? null;
      const left = `${((frame + 0.5) / this.frames) * 100}%`;
      cursor.style.left = dot.style.left = left;
      dot.hidden = value === null;
      dot.style.top = value === null ? "0" : `${scale.y(value)}%`;
      reading.textContent = value === null ? "no evidence here" : `here ${digits(value)}`;
      if (!mine) reading.textContent = "not measured";
    };
    return [figure, move];
  }

  listen(area) {
    const seek = (event) => {
      const box = area.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.seek(Math.min(Math.max(Math.floor(share * this.frames), 0), this.frames - 1));
    };
    area.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      area.setPointerCapture(event.pointerId);
      seek(event);
    });
    area.addEventListener("pointermove", (event) => {
      if (area.hasPointerCapture(event.pointerId)) seek(event);
    });
  }
}

function plotOf(take, score) {
  return take.plots.find((plot) => plot.score === score.name);
}

// The range of everything drawn. The gate belongs to it, for how far it lies is what one asks.
function scaleOf(score, all, mine) {
  const drawn = all.flatMap((plot) => plot?.values ?? []);
  drawn.push(...(mine?.render_values ?? []), score.threshold.minimum, score.threshold.maximum);
  const known = drawn.filter((value) => value !== null);
  let low = known.length ? known.reduce((a, b) => Math.min(a, b)) : 0;
  let high = known.length ? known.reduce((a, b) => Math.max(a, b)) : 1;
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const room = (high - low) * 0.06;
  // A quantity that is never negative starts at zero when it comes close to it.
  low = low >= 0 && low < (high - low) * 0.5 ? 0 : low - room;
  high += room;
  return { low, high, y: (value) => 100 * (1 - (value - low) / (high - low)) };
}

// A line that breaks at gaps, and dots for frames that stand alone between two of them.
function lines(kind, values, scale) {
  const there = (frame) => (values[frame] ?? null) !== null;
  const parts = { [kind]: "", [`${kind} point`]: "" };
  values.forEach((value, frame) => {
    if (value === null) return;
    const alone = !there(frame - 1) && !there(frame + 1);
    const step = `${frame + 0.5} ${scale.y(value).toFixed(2)}`;
    if (alone) parts[`${kind} point`] += `M${step}h0`; // the round cap of an empty step is a dot
    else parts[kind] += (there(frame - 1) ? "L" : "M") + step;
  });
  const kinds = Object.entries(parts).filter(([, path]) => path);
  return kinds.map(([name, path]) => svg("path", { class: `line ${name}`, d: path }));
}

function gateMarks(score, scale, frames) {
  const { minimum, maximum } = score.threshold;
  const marks = [];
  const mark = (value, from, to) => {
    const [top, end] = [Math.max(from, 0), Math.min(to, 100)];
    marks.push(svg("rect", { class: "beyond", x: 0, y: top, width: frames, height: Math.max(end - top, 0) }));
    marks.push(svg("path", { class: "line gate", d: `M0 ${scale.y(value)}H${frames}` }));
  };
  if (minimum !== null) mark(minimum, scale.y(minimum), 100);
  if (maximum !== null) mark(maximum, 0, scale.y(maximum));
  return marks;
}

function windowStartMarks(take) {
  return take.window_starts.map((frame) => svg("path", { class: "line window-start", d: `M${frame} 94V100` }));
}

// A distance to a twin under another light says little, and must not pass for a verdict.
function twinNote(score, take) {
  const compared = score.name.startsWith("twin_") || score.name === "lpips";
  return compared && take.twin_note ? [element("p", { class: "caution" }, take.twin_note)] : [];
}

function total(score, plot) {
  return !plot || plot.value === null ? "no evidence" : digits(plot.value) + (score.unit ? ` ${score.unit}` : "");
}

function explanation(score, plot) {
  const words = [score.definition, DIRECTIONS[score.direction]];
  if (score.threshold.minimum !== null) words.push(`gate: at least ${digits(score.threshold.minimum)}`);
  if (score.threshold.maximum !== null) words.push(`gate: at most ${digits(score.threshold.maximum)}`);
  if (plot && plot.render_value !== null) words.push(`render: ${digits(plot.render_value)}`);
  return words.filter(Boolean).map((text) => text.replace(/\.$/, "")).join(" \u00b7 ");
}

// Three figures or so, the same number of decimals for numbers of the same size.
function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

