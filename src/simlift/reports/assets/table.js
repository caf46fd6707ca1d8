// Rows in, a table out that sorts by any column; a click on a row picks that take.

const SIGNS = { accepted: "\u2713", rejected: "\u2715", "not scored": "\u2013" };
const MOST_COLUMNS = 8;

class TakeTable {
  constructor(table, sorter, data, pick) {
    this.table = table;
    this.sorter = sorter;
    this.pick = pick;
    this.scores = columnsOf(data);
    this.order = { column: 0, down: false };
    this.rows = data.clips.flatMap((clip, c) =>
      clip.takes.map((take, t) => this.row(clip, take, c, t, data.previews[c].takes[t])),
    );
    this.columns = [
      ["Clip", (row) => row.clip.name],
      ["Variant", (row) => row.take.variant],
      ["Verdict", (row) => row.take.verdict],
      ...this.scores.map((score) => [score.title, (row) => plotOf(row.take, score)?.value ?? null, score.name]),
      ["Why", (row) => row.take.reasons.join(" ")],
    ];
    this.buildHead();
    this.sort(-1, false);
  }

  select(clip, take) {
    for (const row of this.rows) {
      const chosen = row.c === clip && row.t === take;
      row.line.classList.toggle("chosen", chosen);
      row.button.setAttribute("aria-pressed", String(chosen));
    }
  }

  row(clip, take, c, t, preview) {
    const button = element("button", { type: "button", class: "plain" }, take.variant);
    const line = element(
      "tr",
      { class: verdictClass(take) },
      element("td", { class: "clip" }, who(clip, preview)),
      element("td", { class: "variant" }, button),
      element("td", { class: "verdict-cell" }, element("span", { class: "sign" }, SIGNS[take.verdict]), ` ${take.verdict}`),
      ...this.scores.map((score) => scoreCell(score, plotOf(take, score))),
      element("td", { class: "why" }, take.reasons.map(spelledOut).join("; ")),
    );
    line.addEventListener("click", () => this.pick(c, t));
    return { clip, take, c, t, line, button };
  }

  buildHead() {
    const head = element("tr");
    this.columns.forEach(([name, , identifier = null], i) => {
      const numeric = i > 2 && i < this.columns.length - 1;
      const button = element("button", { type: "button", class: "plain", title: identifier }, name);
      button.addEventListener("click", () => this.sort(i, this.order.column === i && !this.order.down));
      head.append(element("th", { scope: "col", class: numeric ? "number" : null }, button));
      this.sorter.append(element("option", { value: String(i) }, name));
    });
    this.sorter.prepend(element("option", { value: "-1" }, "the recipe"));
    this.sorter.addEventListener("change", () => this.sort(Number(this.sorter.value), false));
    this.table.tHead.append(head);
  }

  sort(column, down) {
    this.order = { column, down };
    const key = this.columns[column]?.[1];
    const sign = down ? -1 : 1;
    const sorted = key ? [...this.rows].sort((a, b) => compare(key(a), key(b), sign)) : this.rows;
    this.table.tBodies[0].replaceChildren(...sorted.map((row) => row.line));
    [...this.table.tHead.rows[0].cells].forEach((cell, i) => {
      if (i === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    this.sorter.value = String(column);
  }
}

// What is not there stands last, whichever way the rest is sorted.
function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
}

function columnsOf(data) {
  const judged = data.scores.filter((s) => s.threshold.minimum !== null || s.threshold.maximum !== null);
  return (judged.length ? judged : data.scores).slice(0, MOST_COLUMNS);
}

function who(clip, preview) {
  const poster = element("img", { src: jpeg(preview), alt: "" });
  return element("div", { class: "who" }, poster, element("span", {}, clip.name));
}

function scoreCell(score, plot) {
  const value = plot?.value ?? null;
  const failed = plot?.passes === false;
  return element(
    "td",
    { class: failed ? "number fail" : "number", "data-name": score.title },
    value === null ? "\u2013" : digits(value),
  );
}

function verdictClass(take) {
  return take.verdict.replace(" ", "-");
}

function jpeg(preview) {
  return `data:image/jpeg;base64,${preview.poster}`;
}
