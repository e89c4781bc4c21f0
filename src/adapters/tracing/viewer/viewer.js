"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const facts = JSON.parse($("facts").textContent);
  const rows = JSON.parse($("spans").textContent);
  const ROW = 22;
  const WORD = facts.strings;
  // A row: id, parent, start and duration in microseconds, name, kind, stage, lane, status, attributes, decisions.
  const [ID, PARENT, START, TOOK, NAME, KIND, STAGE, LANE, STATUS, ATTRIBUTES, DECISIONS] = Array(11).keys();

  // Signs that cannot be seen, or that turn text around, are shown by their number.
  const hidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  const visible = (text) =>
    String(text).replace(hidden, (sign) => "⟨U+" + sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");
  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = visible(text);
    return made;
  };
  const seconds = (us) => {
    const size = Math.abs(us);
    if (size < 1e3) return us + " µs";
    if (size < 1e6) return (us / 1e3).toPrecision(3) + " ms";
    if (size < 6e7) return (us / 1e6).toPrecision(3) + " s";
    return Math.floor(us / 6e7) + " min " + Math.round((us % 6e7) / 1e6) + " s";
  };
  const exampleOf = (row) => (typeof row[ATTRIBUTES].example === "string" ? row[ATTRIBUTES].example : "");

  // the tree: children by index, roots where the parent is not here, and a cycle broken where it is met
  const at = new Map(rows.map((row, index) => [row[ID], index]));
  const children = new Map();
  const roots = [];
  const parentOf = rows.map((row, index) => {
    const parent = at.get(row[PARENT]);
    return parent === undefined || parent === index ? -1 : parent;
  });
  const state = new Uint8Array(rows.length);
  rows.forEach((_, index) => {
    const path = [];
    let here = index;
    while (here >= 0 && state[here] === 0) {
      state[here] = 1;
      path.push(here);
      here = parentOf[here];
    }
    if (here >= 0 && state[here] === 1) parentOf[here] = -1;
    for (const each of path) state[each] = 2;
  });
  parentOf.forEach((parent, index) => {
    if (parent < 0) roots.push(index);
    else if (children.has(parent)) children.get(parent).push(index);
    else children.set(parent, [index]);
  });
  const inTime = (a, b) => rows[a][START] - rows[b][START] || rows[a][ID] - rows[b][ID];
  roots.sort(inTime);
  for (const each of children.values()) each.sort(inTime);
  let latest = 1;
  for (const row of rows) latest = Math.max(latest, row[START] + row[TOOK]);

  const expanded = new Set();
  const shallow = () => {
    expanded.clear();
    for (const root of roots) expanded.add(root);
  };
  let shown = [];
  let depths = [];
  let matched = null; // indices that meet the filters; null: no filter
  let chosen = -1;
  let view = [0, latest];

  // filters
  const words = [];
  const textOf = (index) => {
    if (words[index] === undefined) {
      const row = rows[index];
      words[index] = [WORD[row[NAME]], WORD[row[KIND]], WORD[row[LANE]], WORD[row[STATUS]], row[ID]].join("\n") +
        "\n" + JSON.stringify(row[ATTRIBUTES]) + "\n" + JSON.stringify(row[DECISIONS] || "");
    }
    return words[index];
  };
  const numberIn = (id) => ($(id).value === "" ? null : Number($(id).value));
  const searcher = () => {
    const text = $("text").value;
    $("text").setAttribute("aria-invalid", "false");
    if (!text) return null;
    const pattern = /^\/(.*)\/(i?)$/s.exec(text);
    if (!pattern) {
      const part = text.toLowerCase();
      return (index) => textOf(index).toLowerCase().includes(part);
    }
    try {
      const expression = new RegExp(pattern[1], pattern[2] + "u");
      return (index) => expression.test(textOf(index));
    } catch {
      $("text").setAttribute("aria-invalid", "true");
      return () => false;
    }
  };
  const tests = () => {
    const found = [];
    for (const [id, column] of [["kind", KIND], ["stage", STAGE], ["status", STATUS]]) {
      const value = $(id).value;
      if (value !== "") found.push((index) => WORD[rows[index][column]] === value);
    }
    const decided = (test) => (index) => (rows[index][DECISIONS] || []).some(test);
    if ($("decision").value) found.push(decided((each) => each.kind === $("decision").value));
    const sure = numberIn("confidence");
    if (sure !== null) found.push(decided((each) => typeof each.confidence === "number" && each.confidence <= sure));
    const least = numberIn("least");
    if (least !== null) found.push((index) => rows[index][TOOK] >= 1e3 * least);
    const from = numberIn("from");
    if (from !== null) found.push((index) => rows[index][START] + rows[index][TOOK] >= 1e6 * from);
    const to = numberIn("to");
    if (to !== null) found.push((index) => rows[index][START] <= 1e6 * to);
    const search = searcher();
    if (search) found.push(search);
    return found;
  };

  const refilter = () => {
    const all = tests();
    matched = null;
    if (all.length) {
      matched = new Set();
      for (let index = 0; index < rows.length; index++) {
        if (all.every((test) => test(index))) matched.add(index);
      }
    }
    const from = numberIn("from");
    const to = numberIn("to");
    view = [from === null ? 0 : 1e6 * from, to === null ? latest : 1e6 * to];
    if (view[1] <= view[0]) view = [0, latest];
    $("found").textContent = matched
      ? matched.size.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " spans match; what they belong to is shown pale"
      : rows.length.toLocaleString("en") + " spans";
    layout();
    $("scroll").scrollTop = 0;
    draw();
  };

  // which rows there are
  const layout = () => {
    shown = [];
    depths = [];
    let keep = null;
    if (matched) {
      keep = new Set();
      for (const index of matched) {
        for (let here = index; here >= 0 && !keep.has(here); here = parentOf[here]) keep.add(here);
      }
    }
    const waiting = roots.map((index) => [index, 0]).reverse();
    while (waiting.length) {
      const [index, depth] = waiting.pop();
      if (keep && !keep.has(index)) continue;
      shown.push(index);
      depths.push(depth);
      const below = children.get(index);
      if (below && (keep || expanded.has(index))) {
        for (let place = below.length - 1; place >= 0; place--) waiting.push([below[place], depth + 1]);
      }
    }
    $("space").style.height = shown.length * ROW + "px";
    $("scroll").setAttribute("aria-rowcount", String(shown.length));
  };

  // drawing: only the rows in view
  const drawRow = (place) => {
    const index = shown[place];
    const row = rows[index];
    const kind = WORD[row[KIND]];
    const made = element("div", "row kind-" + kind + " status-" + WORD[row[STATUS]]);
    made.dataset.place = String(place);
    made.setAttribute("role", "row");
    made.setAttribute("aria-level", String(depths[place] + 1));
    made.setAttribute("aria-rowindex", String(place + 1));
    if (index === chosen) {
      made.classList.add("chosen");
      made.setAttribute("aria-selected", "true");
    }
    if (matched && !matched.has(index)) made.classList.add("aside");
    const label = element("div", "label");
    label.setAttribute("role", "rowheader");
    label.style.paddingLeft = 4 + 14 * Math.min(depths[place], 12) + "px";
    const below = children.get(index);
    if (below && !matched) {
      const open = expanded.has(index);
      const toggle = element("button", "toggle", open ? "▾" : "▸");
      toggle.tabIndex = -1;
      toggle.setAttribute("aria-label", open ? "Close" : "Open");
      made.setAttribute("aria-expanded", String(open));
      label.append(toggle);
    } else label.append(element("span", "toggle"));
    label.append(element("span", "name", (WORD[row[NAME]] || "unnamed") + (exampleOf(row) ? " · " + exampleOf(row) : "")));
    const count = below ? " " + below.length : "";
    label.append(element("span", "kind", kind + count));
    if (row[DECISIONS]) label.append(element("span", "mark", "◆"));
    const track = element("div", "track");
    track.setAttribute("role", "gridcell");
    const wide = view[1] - view[0];
    const left = (100 * (row[START] - view[0])) / wide;
    const bar = element("div", "bar");
    bar.style.left = left + "%";
    bar.style.width = (100 * row[TOOK]) / wide + "%";
    const time = element("span", "time", seconds(row[TOOK]) + (WORD[row[STATUS]] === "ok" ? "" : " " + WORD[row[STATUS]]));
    const right = left + (100 * row[TOOK]) / wide;
    if (right < 80) time.style.left = "calc(" + Math.max(0, right) + "% + 6px)";
    else if (left > 20) time.style.right = "calc(" + Math.max(0, 100 - left) + "% + 6px)";
    else {
      time.style.left = "calc(" + Math.max(0, left) + "% + 6px)";
      time.style.color = "var(--paper)";
    }
    track.append(bar, time);
    made.append(label, track);
    return made;
  };
  const draw = () => {
    const scroll = $("scroll");
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, Math.ceil((scroll.scrollTop + scroll.clientHeight) / ROW) + 5);
    const drawn = document.createDocumentFragment();
    for (let place = first; place < last; place++) drawn.append(drawRow(place));
    $("rows").style.top = first * ROW + "px";
    $("rows").replaceChildren(drawn);
    const axis = document.createDocumentFragment();
    for (let step = 0; step < 5; step++) {
      const tick = element("span", "", seconds(Math.round(view[0] + (step * (view[1] - view[0])) / 5)));
      tick.style.left = 20 * step + "%";
      axis.append(tick);
    }
    $("axis").replaceChildren(axis);
  };

  // one span
  const flat = (value, name, into) => {
    if (value !== null && typeof value === "object") {
      const entries = Object.entries(value);
      if (!entries.length) return;
      for (const [key, item] of entries) flat(item, name ? name + "." + key : key, into);
    } else if (value !== null) into.push([name, value]);
  };
  const table = (pairs) => {
    const made = element("table");
    for (const [name, value] of pairs) {
      const line = element("tr");
      line.append(element("th", "", name), element("td", name === "error" ? "bad" : "", value));
      made.append(line);
    }
    return made;
  };
  const describe = () => {
    const row = rows[chosen];
    const title = element("h2", "", WORD[row[NAME]] || "unnamed");
    const parts = [title, table([
      ["kind", WORD[row[KIND]]], ["status", WORD[row[STATUS]]], ["stage", WORD[row[STAGE]] || "–"],
      ["began at", (row[START] / 1e6).toFixed(6) + " s"], ["took", seconds(row[TOOK])], ["lane", WORD[row[LANE]] || "–"],
      ["id", row[ID]], ["parent", row[PARENT] === null ? "–" : row[PARENT]],
    ])];
    if (row[DECISIONS]) {
      parts.push(element("h3", "", "Decisions"));
      for (const each of row[DECISIONS]) {
        const made = element("div", "decision");
        made.append(element("strong", "", each.kind + ": " + each.chosen));
        const say = (text) => made.append(document.createElement("br"), element("span", "", text));
        if (each.subject) say("about " + each.subject);
        if (each.why) say("because " + each.why);
        if (each.alternatives && each.alternatives.length) say("instead of " + each.alternatives.join("; "));
        if (typeof each.confidence === "number") say("confidence " + each.confidence.toPrecision(3));
        parts.push(made);
      }
    }
    const pairs = [];
    flat(row[ATTRIBUTES], "", pairs);
    if (pairs.length) parts.push(element("h3", "", "Attributes"), table(pairs));
    $("details").replaceChildren(...parts);
    $("details").scrollTop = 0;
  };
  const choose = (place) => {
    chosen = shown[place];
    describe();
    const scroll = $("scroll");
    const top = place * ROW;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top + ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + ROW - scroll.clientHeight;
    draw();
  };
  const toggle = (index) => {
    if (expanded.has(index)) expanded.delete(index);
    else expanded.add(index);
    layout();
    draw();
  };

  // events
  $("scroll").addEventListener("scroll", () => requestAnimationFrame(draw));
  window.addEventListener("resize", draw);
  $("rows").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    const place = Number(row.dataset.place);
    if (event.target.closest("button.toggle")) toggle(shown[place]);
    else choose(place);
  });
  $("rows").addEventListener("dblclick", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.target.closest("button")) return;
    const span = rows[shown[Number(row.dataset.place)]];
    $("from").value = String(span[START] / 1e6);
    $("to").value = String((span[START] + Math.max(1, span[TOOK])) / 1e6);
    refilter();
  });
  $("scroll").addEventListener("keydown", (event) => {
    const place = shown.indexOf(chosen);
    const index = shown[place];
    if (event.key === "ArrowDown") choose(Math.min(shown.length - 1, place + 1));
    else if (event.key === "ArrowUp") choose(Math.max(0, place - 1));
    else if (event.key === "ArrowRight" && !matched && children.has(index) && !expanded.has(index)) toggle(index);
    else if (event.key === "ArrowLeft" && !matched && expanded.has(index)) toggle(index);
    else if (event.key === "ArrowLeft" && place >= 0 && parentOf[index] >= 0) choose(shown.indexOf(parentOf[index]));
    else return;
    event.preventDefault();
  });
  let pending = 0;
  $("filters").addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(refilter, 150);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => {
    $("filters").reset();
    refilter();
  });
  $("open-all").addEventListener("click", () => {
    for (const index of children.keys()) expanded.add(index);
    layout();
    draw();
  });
  $("close-all").addEventListener("click", () => {
    shallow();
    layout();
    $("scroll").scrollTop = 0;
    draw();
  });

  // the beginning
  const offer = (id, values) => {
    for (const value of [...new Set(values)].sort()) {
      if (value === "") continue;
      const option = element("option", "", value);
      option.value = value;
      $(id).append(option);
    }
  };
  offer("kind", rows.map((row) => WORD[row[KIND]]));
  offer("stage", rows.map((row) => WORD[row[STAGE]]));
  offer("status", rows.map((row) => WORD[row[STATUS]]));
  offer("decision", rows.flatMap((row) => (row[DECISIONS] || []).map((each) => each.kind)));
  const run = rows.find((row) => WORD[row[KIND]] === "run");
  const named = run ? String(run[ATTRIBUTES].run || WORD[run[NAME]]) : "Trace";
  document.title = visible(named);
  $("title").textContent = visible(named);
  const about = [rows.length.toLocaleString("en") + " spans over " + seconds(latest)];
  if (facts.total > rows.length) about.push("the first " + rows.length.toLocaleString("en") + " of " + facts.total.toLocaleString("en"));
  if (facts.conditions.length) about.push("where " + facts.conditions.join(" and "));
  if (facts.cutOff) about.push("the trace is cut off: the run was killed or still works");
  $("about").textContent = visible(about.join("; "));
  shallow();
  // An address that ends in #text=late&kind=request&span=17 begins with these filters and that span.
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const [id, value] of wanted) {
    if (["text", "kind", "stage", "status", "decision", "confidence", "least", "from", "to"].includes(id)) $(id).value = value;
  }
  refilter();
  const first = at.get(Number(wanted.get("span") || NaN));
  if (first !== undefined) {
    for (let here = parentOf[first]; here >= 0; here = parentOf[here]) expanded.add(here);
    layout();
    const place = shown.indexOf(first);
    if (place >= 0) choose(place);
  }
})();
