// The gallery: one page of cards at a time, built from the embedded JSON.

const LABELS = 60; // more can't be chosen from, but searched for
const motion = !matchMedia("(prefers-reduced-motion: reduce)").matches;

const source = document.getElementById("gallery-data");
if (source) gallery(JSON.parse(source.textContent));

function gallery({ metrics, items }) {
  const root = document.getElementById("gallery");
  const form = root.querySelector("form");
  const { search, show, label, metric, order } = form.elements;
  const cards = document.getElementById("cards");
  const shown = document.getElementById("shown");
  const pages = document.getElementById("page");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  const size = document.getElementById("size");
  let found = [];
  let page = 0;

  items.forEach((item, position) => {
    item.position = position;
    item.scores = item.scores.map((value) => (value === null ? null : Number(value)));
    item.text = [item.prompt, item.error || "", ...(item.labels || [])].join("\n").toLowerCase();
  });
  const labels = [...new Set(items.flatMap((item) => item.labels || []))].sort((a, b) => a.localeCompare(b));
  if (labels.length > 1 && labels.length <= LABELS) {
    for (const text of labels) label.append(new Option(text, text));
    label.parentElement.hidden = false;
  }
  metrics.forEach((entry, index) => metric.append(new Option(entry.title, index)));
  if (!metrics.length) {
    for (const control of [metric, order, show.querySelector("[value=worst]")]) control.disabled = true;
  }

  const lazy = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      lazy.unobserve(entry.target);
      entry.target.wake();
    }
  }, { rootMargin: "200px" });

  function byMetric(worstFirst) {
    const index = Number(metric.value);
    const higher = metrics[index].higher !== false;
    const sign = worstFirst === higher ? 1 : -1;
    return (a, b) => compare(a.scores[index], b.scores[index], sign) || a.position - b.position;
  }

  function select() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = items.filter((item) => words.every((word) => item.text.includes(word))
      && (!label.value || (item.labels || []).includes(label.value)));
    const index = Number(metric.value);
    if (show.value === "worst") {
      found = found.filter((item) => item.scores[index] !== null).sort(byMetric(true)).slice(0, 24);
    } else if (show.value !== "all") {
      found = found.filter((item) => item.status === show.value);
    }
    if (order.value === "prompt") found.sort((a, b) => a.prompt.localeCompare(b.prompt) || a.position - b.position);
    else if (order.value !== "given") found.sort(byMetric(order.value === "worst"));
    page = 0;
    directionWords();
    paint();
  }

  function directionWords() {
    if (!metrics.length) return;
    const known = metrics[Number(metric.value)].higher !== null;
    order.querySelector("[value=worst]").textContent = known ? "Worst first" : "Lowest first";
    order.querySelector("[value=best]").textContent = known ? "Best first" : "Highest first";
    const worst = show.querySelector("[value=worst]");
    worst.textContent = known ? "The 24 worst by metric" : "The 24 lowest by metric";
  }

  function paint() {
    const each = Number(size.value);
    const count = Math.max(1, Math.ceil(found.length / each));
    const part = found.slice(page * each, (page + 1) * each);
    lazy.disconnect();
    for (const player of cards.querySelectorAll("video")) player.removeAttribute("src");
    cards.replaceChildren(...part.map(card));
    const first = page * each + 1;
    const range = found.length ? `${first} to ${first + part.length - 1} of ${found.length.toLocaleString("en")}` : "No";
    const without = metrics.length ? found.filter((item) => item.scores[Number(metric.value)] === null).length : 0;
    const ranked = order.value === "worst" || order.value === "best";
    const last = ranked && without ? ` ${without} without this score come last.` : "";
    shown.textContent = `${range} samples.${last}`;
    pages.replaceChildren(...Array.from({ length: count }, (_, index) => new Option(`${index + 1} of ${count}`, index)));
    pages.value = page;
    previous.disabled = page === 0;
    next.disabled = page >= count - 1;
    root.querySelector(".pages").hidden = found.length <= Number(size.options[0].value);
  }

  function turn(to) {
    page = to;
    paint();
    root.scrollIntoView({ block: "start" });
  }

  function card(item) {
    const element = make("li", `card ${item.status}${item.reference ? " pair" : ""}`);
    if (item.key) element.id = `sample-${item.key}`;
    element.append(mediaBox(item));
    for (const file of [item.media, item.reference]) if (file && file.kind === "file") element.append(opener(file));
    const body = make("div", "body");
    const prompt = make("p", "prompt", item.prompt || "(no prompt)");
    prompt.dir = "auto";
    body.append(prompt);
    if (item.prompt.length > 160) body.append(unfold(prompt));
    const tags = make("ul", "tags");
    const status = { ok: "✓ ok", failed: "✕ failed", skipped: "– skipped" }[item.status];
    tags.append(make("li", `status ${item.status}`, status), make("li", "", `sample ${item.index}`));
    for (const text of item.labels || []) tags.append(make("li", "", text));
    if (item.key) tags.append(permalink(item));
    body.append(tags);
    if (metrics.length && item.status === "ok") {
      const chosen = Number(metric.value);
      const ranked = order.value === "worst" || order.value === "best";
      const [first] = known(item);
      body.append(scores(item, [item.scores[chosen] === null && !ranked ? first : chosen]));
      if (metrics.length > 1) {
        const more = make("details");
        more.append(make("summary", "", "All scores"), scores(item, known(item), true));
        body.append(more);
      }
    }
    element.append(body);
    return element;
  }

  function permalink(item) {
    const entry = make("li", "link");
    const link = make("a", "", "link");
    link.href = `#sample-${item.key}`;
    link.setAttribute("aria-label", `Link to sample ${item.index} of ${item.prompt.slice(0, 80)}`);
    entry.append(link);
    return entry;
  }

  // The sample that the page's address names, whatever is chosen above.
  function showLinked() {
    const key = decodeURIComponent(location.hash).replace(/^#sample-/, "");
    const linked = items.findIndex((item) => item.key && item.key === key);
    if (linked < 0) return;
    if (!document.getElementById(`sample-${key}`)) {
      form.reset();
      select();
      page = Math.floor(found.indexOf(items[linked]) / Number(size.value));
      paint();
    }
    document.getElementById(`sample-${key}`).scrollIntoView({ block: "center" });
  }

  function unfold(prompt) {
    prompt.classList.add("long");
    const button = make("button", "more", "Show the full prompt");
    button.type = "button";
    button.addEventListener("click", () => {
      const folded = prompt.classList.toggle("long");
      button.textContent = folded ? "Show the full prompt" : "Show less";
      button.setAttribute("aria-expanded", String(!folded));
    });
    button.setAttribute("aria-expanded", "false");
    return button;
  }

  function mediaBox(item) {
    const box = make("div", "media");
    if (!item.media && item.poster === undefined) {
      const blank = make("div", "blank");
      const words = { ok: "No media kept for this sample", failed: "This sample failed", skipped: "This sample was skipped" };
      blank.append(make("span", "", words[item.status]));
      if (item.error) blank.append(make("code", "", item.error));
      box.append(blank);
      return box;
    }
    const generated = frame(item.media, item.poster, `Sample ${item.index}: ${item.prompt}`);
    box.append(generated);
    if (item.reference) {
      const reference = frame(item.reference, undefined, `Reference of sample ${item.index}`);
      generated.append(make("span", "tag", "generated"));
      reference.append(make("span", "tag", "reference"));
      box.append(reference);
      together(generated.querySelector("video"), reference.querySelector("video"));
    }
    return box;
  }

  function frame(file, poster, label) {
    const box = make("div");
    const picture = poster === undefined ? null : posterSource(poster);
    if (file && file.kind === "video") {
      const badge = make("span", "play", "▶");
      badge.setAttribute("aria-hidden", "true");
      box.append(player(file, picture, label, box), badge);
    }
    else if ((file && file.kind === "image") || picture) {
      const image = make("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = label;
      image.src = file && file.kind === "image" ? mediaSource(file) : picture;
      box.append(image);
    } else box.append(make("div", "blank", file && file.kind === "missing" ? `File not found: ${fileName(file)}` : "No preview"));
    return box;
  }

  function player(file, picture, label, box) {
    const video = make("video");
    video.tabIndex = 0;
    video.muted = true;
    video.loop = true;
    video.playsInline = true;
    video.preload = picture ? "none" : "metadata";
    video.setAttribute("aria-label", label);
    if (picture) video.poster = picture;
    video.wake = () => { if (!video.src) video.src = mediaSource(file); };
    video.addEventListener("error", () => {
      const blank = make("div", "blank", "This browser can't play the file.");
      if (picture) {
        const image = make("img");
        image.src = picture;
        image.alt = label;
        video.replaceWith(image);
      } else video.replaceWith(blank);
      box.querySelector(".play").remove();
      box.parentElement.after(opener(file));
    });
    for (const event of ["focus", "pointerenter", "pointerdown"]) {
      video.addEventListener(event, () => { video.wake(); video.controls = true; });
    }
    if (motion && matchMedia("(hover: hover)").matches) {
      box.addEventListener("mouseenter", () => { video.wake(); video.play().catch(() => {}); });
      box.addEventListener("mouseleave", () => video.pause());
    }
    lazy.observe(video);
    return video;
  }

  function together(first, second) {
    if (!first || !second) return;
    for (const [lead, follow] of [[first, second], [second, first]]) {
      const align = () => { if (Math.abs(follow.currentTime - lead.currentTime) > 0.05) follow.currentTime = lead.currentTime; };
      lead.addEventListener("play", () => { follow.wake(); align(); if (follow.paused) follow.play().catch(() => {}); });
      lead.addEventListener("pause", () => { if (!follow.paused) follow.pause(); align(); });
      lead.addEventListener("seeked", () => { if (lead.paused && follow.src) align(); });
    }
  }

  function opener(file) {
    const line = make("div", "open");
    const link = make("a", "", `Open ${fileName(file)}`);
    link.href = file.href;
    line.append(link);
    return line;
  }

  // The metrics with a score for this sample; all metrics if it has none.
  function known(item) {
    const found = [...metrics.keys()].filter((index) => item.scores[index] !== null);
    return found.length ? found : metrics.keys();
  }

  function scores(item, indices, explained = false) {
    const list = make("div", "scores");
    for (const index of indices) {
      const entry = metrics[index];
      const value = item.scores[index];
      const series = item.details && item.details[index];
      const limit = item.limits && item.limits[index];
      list.append(breakable(entry.title), ...(series ? [spark(series, entry.title, limit)] : []),
        make("b", series ? "" : "wide", value === null ? "–" : number(value, entry)));
      const note = explained && item.notes && item.notes[index];
      if (note) list.append(make("small", "why", note));
    }
    return list;
  }

  function breakable(name) {
    const element = make("span");
    name.split("_").forEach((part, index) => {
      if (index) element.append("_", document.createElement("wbr"));
      element.append(part);
    });
    return element;
  }

  function number(value, { digits, unit }) {
    const text = Number.isFinite(value) ? value.toFixed(digits) : value > 0 ? "∞" : "-∞";
    const plain = Number(text) === 0 && value !== 0 ? value.toExponential(1) : text;
    return unit ? `${plain} ${unit}` : plain;
  }

  function spark(values, title, limit) {
    const space = "http://www.w3.org/2000/svg";
    const finite = values.filter((value) => value !== null);
    const shown = Number.isFinite(limit) ? [...finite, limit] : finite;
    const low = Math.min(...shown);
    const span = Math.max(...shown) - low || 1;
    const height = (value) => (20 - 18 * (value - low) / span).toFixed(1);
    const step = 88 / Math.max(1, values.length - 1);
    let path = "";
    let pen = "M";
    values.forEach((value, index) => {
      if (value === null) { pen = "M"; return; }
      path += `${pen}${(index * step).toFixed(1)} ${height(value)}`;
      pen = "L";
    });
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 88 22");
    svg.setAttribute("class", "spark");
    svg.setAttribute("role", "img");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-label", finite.length
      ? `${title} over time: from ${Math.min(...finite).toPrecision(3)} to ${Math.max(...finite).toPrecision(3)}` : `${title}: no values`);
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    svg.append(line);
    if (Number.isFinite(limit)) {
      const across = document.createElementNS(space, "path");
      across.setAttribute("class", "limit");
      across.setAttribute("d", `M0 ${height(limit)}L88 ${height(limit)}`);
      svg.append(across);
    }
    return svg;
  }

  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(select, 120); });
  for (const control of [show, label, metric, order, size]) control.addEventListener("change", select);
  form.addEventListener("submit", (event) => event.preventDefault());
  pages.addEventListener("change", () => turn(Number(pages.value)));
  previous.addEventListener("click", () => turn(page - 1));
  next.addEventListener("click", () => turn(page + 1));
  addEventListener("hashchange", showLinked);
  root.hidden = false;
  select();
  showLinked();
}
