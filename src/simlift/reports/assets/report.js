// The report's data in, the living page out: what is chosen, what is shown, what the keys do.

const SVG = "http://www.w3.org/2000/svg";
const WIPE_STEP = 5; // percent
const data = JSON.parse(byId("report-data").textContent);
const urls = new Map();
const state = { clip: 0, take: 0, wipe: 50, grid: false, cameras: false, overlay: -1, side: "both", cells: [], film: null };
const deck = new Deck(onFrame, onPlay);
const plots = new Plots(byId("plots"), (frame) => deck.seek(frame));
const motion = new MotionPlots(byId("motion"), (frame) => deck.seek(frame));
const table = new TakeTable(byId("takes"), byId("sort"), data, (clip, take) => {
  choose(clip, take);
  byId("viewer-title").parentElement.scrollIntoView({ block: "nearest", behavior: "smooth" });
});

// ---- the document, built of text and never of markup

function byId(id) {
  return document.getElementById(id);
}

function element(name, attributes = {}, ...children) {
  return dress(document.createElement(name), attributes, children);
}

function svg(name, attributes) {
  return dress(document.createElementNS(SVG, name), attributes, []);
}

function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// ---- what is chosen

function choose(clip, take) {
  const fresh = clip !== state.clip || !state.cells.length;
  Object.assign(state, { clip, take });
  if (fresh) openClip();
  byId("clip").value = String(clip);
  table.select(clip, take);
  drawChips();
  plots.show(data.scores, data.clips[clip], take);
  showMotion(data.clips[clip]);
  drawVerdict();
  drawOrigin();
  arrange();
  remember();
}

function chooseVariant(step) {
  const count = data.clips[state.clip].takes.length;
  choose(state.clip, (state.take + step + count) % count);
}

function chooseClip(step) {
  const clip = (state.clip + step + data.clips.length) % data.clips.length;
  choose(clip, Math.min(state.take, data.clips[clip].takes.length - 1));
}

function remember() {
  const clip = data.clips[state.clip];
  const name = [clip.name, clip.takes[state.take].variant].map(encodeURIComponent).join("/");
  try {
    history.replaceState(null, "", `#${name}`);
  } catch {
    // Some browsers refuse this for pages from disk; then the address only stays as it was.
  }
}

function recall() {
  const names = location.hash.slice(1).split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return "";
    }
  });
  const clip = Math.max(data.clips.findIndex((entry) => entry.name === names[0]), 0);
  const take = data.clips[clip].takes.findIndex((entry) => entry.variant === names[1]);
  return [clip, Math.max(take, 0)];
}

function showMotion(clip) {
  const episode = data.episodes.find(({ name }) => name === clip.episode);
  byId("motion-section").hidden = !episode;
  motion.show(episode ? episode.motion : [], clip.num_frames);
}

// ---- the videos

function openClip() {
  const clip = data.clips[state.clip];
  const previews = data.previews[state.clip];
  for (const cell of state.cells) closeVideo(cell.video);
  if (state.film) closeVideo(state.film);
  state.film = null;
  deck.load(clip.fps, clip.num_frames);
  const render = previews.render ? [makeCell("render", "Render", previews.render, -1)] : [];
  // The twin stands among the takes of the grid; the wipe compares take and render alone.
  const twin = previews.twin ? [makeCell("twin", "Twin", previews.twin, -1)] : [];
  const takes = previews.takes.map((preview, i) => makeCell("take", clip.takes[i].variant, preview, i));
  state.cells = [...render, ...twin, ...takes, ...(state.cameras ? siblingCells(clip) : [])];
  byId("cells").replaceChildren(...state.cells.map((cell) => cell.node));
  byId("stage").style.setProperty("--shape", String(clip.width / clip.height));
  byId("stage").classList.toggle("alone", !previews.render);
  byId("scrub").max = String(clip.num_frames - 1);
  byId("cameras").hidden = !siblings(clip).length;
  if (!siblings(clip).length) state.cameras = false;
  drawOverlayChoice(previews.overlays);
  setOverlay(Math.min(state.overlay, previews.overlays.length - 1));
}

// The other cameras of an episode, which saw the same frames.
function siblings(clip) {
  return data.clips
    .map((other, i) => [other, data.previews[i]])
    .filter(([other]) => other !== clip && other.episode === clip.episode && other.num_frames === clip.num_frames);
}

function siblingCells(clip) {
  return siblings(clip).flatMap(([other, previews]) => {
    const takes = previews.takes.map((preview, i) => {
      const variant = other.takes[i].variant;
      const own = clip.takes.findIndex((take) => take.variant === variant);
      return [makeCell("take", `${other.camera}: ${variant}`, preview, own), own];
    });
    const render = previews.render ? [makeCell("render", `${other.camera}: render`, previews.render, -1)] : [];
    const cells = [...render, ...takes.filter(([, own]) => own >= 0).map(([cell]) => cell)];
    for (const cell of cells) {
      cell.sibling = true;
      cell.node.classList.add("sibling");
      cell.node.style.setProperty("--shape", String(other.width / other.height));
    }
    return cells;
  });
}

function makeCell(kind, name, preview, take) {
  const video = makeVideo(preview);
  const canvas = element("canvas");
  const pick = element("button", { type: "button", class: "pick", "aria-label": `Show ${name}` });
  pick.addEventListener("click", () => {
    setGrid(false);
    choose(state.clip, take < 0 ? state.take : take);
  });
  const node = element(
    "figure",
    { class: `cell ${kind}` },
    video,
    element("div", { class: "lines", hidden: "" }, canvas, element("div", { class: "tint" })),
    element("figcaption", {}, take >= 0 ? element("kbd", {}, String(take + 1)) : "", name),
    pick,
  );
  video.addEventListener("error", () => node.classList.add("broken"));
  return { kind, take, video, canvas, node };
}

function makeVideo(preview) {
  const video = element("video", { muted: "", playsinline: "", preload: "auto", poster: jpeg(preview) });
  video.muted = true; // the attribute alone does not mute a video that a script made
  video.disablePictureInPicture = true;
  video.src = address(preview);
  return video;
}

function closeVideo(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
}

function address(preview) {
  if (preview.link) return preview.link;
  if (!urls.has(preview.element)) {
    const holder = byId(preview.element);
    const text = atob(holder.textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    urls.set(preview.element, URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })));
    holder.remove(); // the text would hold the same megabytes again
  }
  return urls.get(preview.element);
}

// Decides which cells show, and lets only their videos play.
function arrange() {
  const { cells, take, cameras } = state;
  const grid = state.grid || cameras;
  const isShown = (cell) => (state.grid && !cell.sibling) || cell.kind === "render" || cell.take === take;
  for (const cell of cells) {
    cell.node.classList.toggle("selected", cell.take === take);
    const covered = state.overlay >= 0 && !cell.sibling && (state.side === "both" || state.side === cell.kind);
    cell.node.hidden = grid && !isShown(cell);
    cell.node.classList.toggle("overlaid", covered);
    cell.node.querySelector(".lines").hidden = !covered;
  }
  // Lines of one colour are tinted, to stand out; a skeleton has colours that mean something.
  const tinted = data.previews[state.clip].overlays[state.overlay]?.name !== "skeleton";
  byId("stage").className = `${tinted ? "" : "coloured "}stage ${grid ? "grid" : "wipe"}${cameras ? " cameras" : ""}${cells[0].kind === "take" ? " alone" : ""}`;
  byId("grid").setAttribute("aria-pressed", String(state.grid));
  byId("cameras").setAttribute("aria-pressed", String(cameras));
  const shown = cells.filter(isShown);
  const videos = shown.map((cell) => cell.video);
  return deck.activate(state.film ? [...videos, state.film] : videos);
}

function setGrid(on) {
  state.grid = on;
  if (state.cameras) return setCameras(false);
  return arrange();
}

function setCameras(on) {
  const frame = deck.frame;
  state.cameras = on && siblings(data.clips[state.clip]).length > 0;
  if (on) state.grid = false;
  openClip();
  deck.frame = frame;
  return arrange();
}

function setWipe(percent) {
  state.wipe = Math.min(Math.max(percent, 0), 100);
  byId("stage").style.setProperty("--wipe", `${state.wipe}%`);
  const handle = byId("wipe");
  handle.setAttribute("aria-valuenow", String(Math.round(state.wipe)));
  handle.setAttribute("aria-valuetext", `${Math.round(state.wipe)} percent render`);
}

// ---- overlays: one hidden film, drawn over every cell that asks for it

function drawOverlayChoice(overlays) {
  const names = overlays.map((overlay, i) => element("option", { value: String(i) }, overlay.name));
  byId("overlay").replaceChildren(element("option", { value: "-1" }, "none"), ...names);
  byId("overlay-choice").hidden = !overlays.length;
}

function setOverlay(index) {
  if (state.film) closeVideo(state.film);
  state.film = null;
  state.overlay = index;
  const overlay = data.previews[state.clip].overlays[index];
  if (overlay) {
    state.film = makeVideo(overlay);
    state.film.addEventListener("seeked", drawOverlay);
  }
  byId("overlay").value = String(index);
  byId("side-choice").hidden = index < 0;
}

function cycleOverlay() {
  const count = data.previews[state.clip].overlays.length;
  if (!count) return;
  setOverlay(state.overlay + 1 < count ? state.overlay + 1 : -1);
  arrange();
}

function drawOverlay() {
  const film = state.film;
  if (!film || film.readyState < 2) return;
  for (const { canvas, node } of state.cells) {
    if (!node.classList.contains("overlaid")) continue;
    if (canvas.width !== film.videoWidth) {
      canvas.width = film.videoWidth;
      canvas.height = film.videoHeight;
    }
    canvas.getContext("2d").drawImage(film, 0, 0);
  }
}

// ---- what the page says

function onFrame(frame) {
  const clip = data.clips[state.clip];
  byId("scrub").value = String(frame);
  const seconds = (frame / clip.fps).toFixed(2);
  byId("clock").textContent = `frame ${frame} of ${clip.num_frames} \u00b7 ${seconds} s`;
  plots.moveTo(frame);
  motion.moveTo(frame);
  drawOverlay();
}

function onPlay(playing) {
  const button = byId("play");
  button.classList.toggle("playing", playing);
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
}

function drawHeader() {
  const takes = data.clips.flatMap((clip) => clip.takes);
  const count = (verdict) => takes.filter((take) => take.verdict === verdict).length;
  const [good, bad, open] = ["accepted", "rejected", "not scored"].map(count);
  const parts = [`${good} accepted`, `${bad} rejected`, ...(open ? [`${open} not scored`] : [])];
  const clips = data.clips.length === 1 ? "one clip" : `${data.clips.length} clips`;
  const all = takes.length === 1 ? "one take" : `${takes.length} takes`;
  byId("run").textContent = data.run;
  byId("summary").textContent = `${parts.join(", ")} of ${all} from ${clips}`;
  byId("tally").append(
    ...[["accepted", good], ["rejected", bad], ["not-scored", open]]
      .filter(([, many]) => many)
      .map(([kind, many]) => {
        const part = element("span", { class: kind });
        part.style.flexGrow = String(many);
        return part;
      }),
  );
  if (data.linked) {
    const verb = data.linked === 1 ? "preview lies" : "previews lie";
    byId("linked").textContent =
      `This run is larger than one page should be: ${data.linked} ${verb} in the run folder. ` +
      "Keep the page there, or mail the whole folder.";
    byId("linked").hidden = false;
  }
}

function drawChips() {
  const chips = data.clips[state.clip].takes.map((take, i) => {
    const chip = element(
      "button",
      { type: "button", class: `chip ${verdictClass(take)}`, "aria-pressed": String(i === state.take) },
      element("kbd", {}, String(i + 1)),
      element("span", {}, take.variant),
      element("span", { class: "sign", role: "img", "aria-label": take.verdict }, SIGNS[take.verdict]),
    );
    chip.addEventListener("click", () => choose(state.clip, i));
    return chip;
  });
  byId("variants").replaceChildren(...chips);
}

function drawVerdict() {
  const take = data.clips[state.clip].takes[state.take];
  const words = {
    accepted: "Accepted: it passes every gate that had evidence.",
    rejected: "Rejected.",
    "not scored": "Not scored yet: run simlift score, then simlift report.",
  };
  byId("verdict").className = `verdict ${verdictClass(take)}`;
  byId("verdict").replaceChildren(
    element("p", {}, element("span", { class: "sign" }, SIGNS[take.verdict]), " ", element("b", {}, take.variant), " ", words[take.verdict]),
    ...list(take.reasons.map(spelledOut)),
  );
}

// A reason begins with a score's identifier; people read its title.
function spelledOut(reason) {
  const score = data.scores.find(({ name }) => reason.startsWith(`${name} `));
  return score ? `${score.title} (${score.name})${reason.slice(score.name.length)}` : reason;
}

function list(texts) {
  return texts.length ? [element("ul", {}, ...texts.map((text) => element("li", {}, text)))] : [];
}

function drawOrigin() {
  const take = data.clips[state.clip].takes[state.take];
  const rows = take.provenance.map(([name, text]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, text)),
  );
  const block = (title, texts) =>
    texts.length ? [element("div", {}, element("h3", {}, title), ...list(texts))] : [];
  byId("origin").replaceChildren(
    element("dl", {}, ...rows),
    element(
      "div",
      { class: "stages" },
      ...block("What ran", take.stages),
      ...block("What did not, and why", take.skipped),
      ...block("Notes", take.notes),
    ),
    element("div", {}, element("h3", {}, "Settings"), element("pre", { tabindex: "0" }, take.settings.trim())),
  );
}

// ---- hands and keys

function listenToPointer() {
  const stage = byId("stage");
  const wipe = (event) => {
    const box = stage.getBoundingClientRect();
    setWipe(((event.clientX - box.left) / box.width) * 100);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (state.grid || state.cameras || event.button) return;
    event.preventDefault(); // else the handle takes the focus, and the arrows with it
    stage.setPointerCapture(event.pointerId);
    wipe(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!state.grid && !state.cameras && stage.hasPointerCapture(event.pointerId)) wipe(event);
  });
}

function listenToControls() {
  const toggle = () => (deck.playing ? deck.pause() : deck.play());
  byId("play").addEventListener("click", toggle);
  byId("back").addEventListener("click", () => deck.step(-1));
  byId("forth").addEventListener("click", () => deck.step(1));
  byId("grid").addEventListener("click", () => setGrid(!state.grid));
  byId("cameras").addEventListener("click", () => setCameras(!state.cameras));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("scrub").addEventListener("input", (event) => deck.seek(Number(event.target.value)));
  byId("speed").addEventListener("change", (event) => deck.setRate(Number(event.target.value)));
  byId("clip").addEventListener("change", (event) => chooseClip(Number(event.target.value) - state.clip));
  byId("overlay").addEventListener("change", (event) => {
    setOverlay(Number(event.target.value));
    arrange();
  });
  byId("side").addEventListener("change", (event) => {
    state.side = event.target.value;
    arrange();
  });
  // A control that a pointer used gives the keys back to the viewer; one reached by tab keeps them.
  document.addEventListener("click", (event) => {
    if (event.detail) event.target.closest?.("button, input")?.blur();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select") && !event.target.matches(":focus-visible")) event.target.blur();
  });
  return toggle;
}

function listenToKeys(toggle) {
  const keys = {
    " ": toggle,
    ArrowLeft: () => deck.step(-1),
    ArrowRight: () => deck.step(1),
    ArrowUp: () => chooseVariant(-1),
    ArrowDown: () => chooseVariant(1),
    "[": () => chooseClip(-1),
    "]": () => chooseClip(1),
    g: () => setGrid(!state.grid),
    c: () => setCameras(!state.cameras),
    o: cycleOverlay,
    "?": () => byId("help").showModal(),
  };
  const wipes = { ArrowLeft: -WIPE_STEP, ArrowRight: WIPE_STEP };
  const slides = { ...wipes, ArrowDown: -WIPE_STEP, ArrowUp: WIPE_STEP, Home: -100, End: 100 };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const focus = event.target;
    const act = () => {
      const slide = focus.id === "wipe" ? slides[event.key] : event.shiftKey && wipes[event.key];
      if (slide) return () => setWipe(state.wipe + slide);
      if (focus.matches?.("select, input, pre") || (focus.matches?.("button") && event.key === " ")) return null;
      const number = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
      if (number >= data.clips[state.clip].takes.length) return null;
      return number >= 0 ? () => choose(state.clip, number) : keys[event.key];
    };
    const action = act();
    if (!action) return;
    event.preventDefault();
    action();
  });
}

drawHeader();
byId("clip").append(...data.clips.map((clip, i) => element("option", { value: String(i) }, clip.name)));
byId("clip-choice").hidden = data.clips.length < 2;
listenToPointer();
listenToKeys(listenToControls());
setWipe(50);
choose(...recall());
