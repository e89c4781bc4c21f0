// The frame's script: shows the fragment that belongs to the address, and keeps it up to date.
// Fragments come escaped from the server; texts that this script adds itself go in as textContent.
"use strict";
(() => {
  const KEY = "crucible-token";
  const LABELLER = "crucible-labeller";
  const main = document.getElementById("view");
  const login = document.getElementById("login");
  const link = document.getElementById("link");
  const told = document.getElementById("told");
  const REFRESH_MS = 1000;
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("crucible", { createHTML: (html) => html })
    : { createHTML: (html) => html };

  let token = null;
  let labeller = "";
  try { labeller = sessionStorage.getItem(LABELLER) || ""; } catch { /* kept in memory only */ }
  let shown = 0; // grows with each page, so that what was fetched for an earlier one is dropped
  let following = null; // aborts the event stream
  let followed = null;
  let timer = null;
  let every = null;
  let last = 0;

  function remember(value) {
    token = value;
    try { sessionStorage.setItem(KEY, value); } catch { /* kept in memory only */ }
  }
  function begin() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      remember(given);
      history.replaceState(null, "", location.pathname + location.search);
    } else {
      try { token = sessionStorage.getItem(KEY); } catch { token = null; }
    }
  }
  const ask = (url, options = {}) =>
    fetch(url, { ...options, headers: { authorization: `Bearer ${token}`, ...options.headers } });

  function say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    told.append(line);
    setTimeout(() => line.remove(), 6000);
  }
  async function problem(answer) {
    try { return (await answer.json()).detail || answer.statusText; } catch { return answer.statusText; }
  }
  function connection(state) {
    link.className = `link ${state}`;
    link.textContent = { live: "live", lost: "reconnecting", still: "up to date" }[state];
  }

  // Pages
  const parse = (html) => new DOMParser().parseFromString(policy.createHTML(html), "text/html").body;

  function askForToken(text) {
    stop();
    main.replaceChildren();
    login.hidden = false;
    document.getElementById("login-problem").textContent = text;
    document.getElementById("token").focus();
    link.textContent = "no token";
  }
  async function show({ focus = true } = {}) {
    const mine = ++shown;
    clearTimeout(timer);
    timer = null;
    if (!token) return askForToken("");
    let answer;
    try {
      answer = await ask(`/view${location.pathname}${location.search}`);
    } catch {
      if (mine === shown) { connection("lost"); later(3000); }
      return;
    }
    if (mine !== shown) return;
    if (answer.status === 401) return askForToken("That token is not the one of this daemon.");
    login.hidden = true;
    const page = document.createElement("div");
    if (answer.ok) {
      page.replaceChildren(...parse(await answer.text()).childNodes);
    } else {
      const title = document.createElement("h1");
      title.textContent = answer.status === 404 ? "Not found" : "That did not work";
      const text = document.createElement("p");
      text.textContent = await problem(answer);
      page.append(title, text);
    }
    if (mine !== shown) return;
    last = Date.now();
    main.replaceChildren(...page.childNodes);
    arrive(focus);
  }
  function arrive(focus) {
    const root = main.querySelector("[data-title]");
    document.title = root ? `${root.dataset.title} · Crucible` : "Crucible";
    for (const a of document.querySelectorAll(".bar nav a")) {
      const here = a.getAttribute("href") === location.pathname;
      if (here) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    }
    const name = main.querySelector("[data-labeller]");
    if (name) name.value = labeller;
    follow(root ? root.dataset.follow : "");
    clearInterval(every);
    every = root && root.dataset.every ? setInterval(() => refresh(), Number(root.dataset.every)) : null;
    if (focus) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
  }
  function go(url) {
    history.pushState(null, "", url);
    show();
  }

  // Refreshing: only parts that changed are replaced, and none that somebody types in.
  async function refresh() {
    if (document.hidden) { later(REFRESH_MS); return; }
    const mine = shown;
    let answer;
    try { answer = await ask(`/view${location.pathname}${location.search}`); } catch {
      if (mine === shown && !followed) connection("lost"); // a stream says so itself
      return;
    }
    if (mine !== shown || !answer.ok) return;
    const fresh = parse(await answer.text());
    if (mine !== shown) return;
    last = Date.now();
    const ids = (root) => [...root.querySelectorAll("[data-live]")].map((part) => part.id).join(" ");
    if (ids(fresh) !== ids(main)) return show({ focus: false });
    for (const part of fresh.querySelectorAll("[data-live]")) replace(document.getElementById(part.id), part);
    const now = fresh.querySelector("[data-title]");
    const before = main.querySelector("[data-title]");
    if (now && before) follow(now.dataset.follow);
  }
  function replace(old, fresh) {
    if (old.outerHTML === fresh.outerHTML) return;
    const active = document.activeElement;
    if (old.contains(active) && active.matches("input:not([type=checkbox]), select, textarea")) return;
    const focused = old.contains(active) ? active.id : null;
    const chosen = new Set([...old.querySelectorAll("input:checked")].map((box) => box.id));
    const opened = new Set([...old.querySelectorAll("details[open]")].map((part) => part.id));
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const made = document.importNode(fresh, true);
    for (const box of made.querySelectorAll("input[type=checkbox]")) box.checked = chosen.has(box.id);
    for (const part of made.querySelectorAll("details")) part.open ||= opened.has(part.id);
    old.replaceWith(made);
    made.querySelectorAll(".scroll").forEach((box, number) => { box.scrollLeft = scrolled[number] || 0; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  function later(wait = REFRESH_MS) {
    if (timer !== null) return;
    timer = setTimeout(() => { timer = null; refresh(); }, Math.max(0, wait - (Date.now() - last)));
  }

  // Events: a stream read by fetch, because EventSource cannot send a header.
  function stop() {
    following?.abort();
    following = followed = null;
    clearInterval(every);
  }
  const stream = (path) => (path || "").split("?")[0];
  function follow(path) {
    if (!path) { if (followed !== null) stop(); if (token) connection("still"); return; }
    if (stream(path) === stream(followed)) return;
    stop();
    followed = path;
    following = new AbortController();
    listen(path, following.signal);
  }
  async function listen(path, signal) {
    let seen = null;
    let wait = 500;
    while (!signal.aborted) {
      try {
        const answer = await ask(path, { signal, headers: seen ? { "last-event-id": seen } : {} });
        if (answer.status === 401) return askForToken("That token is not the one of this daemon.");
        if (!answer.ok) throw new Error(answer.statusText);
        connection("live");
        later(); // for what happened between the page and the stream
        wait = 500;
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = ""; ;) {
          const { value, done } = await reader.read();
          if (done) break;
          const blocks = (rest + value).split("\n\n");
          rest = blocks.pop();
          for (const block of blocks) {
            const field = (name) => block.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
            seen = field("id") ?? seen;
            if (field("event") === "end") { later(0); connection("still"); return; }
            if (field("event")) later();
          }
        }
      } catch {
        if (signal.aborted) return;
      }
      if (signal.aborted) return;
      connection("lost");
      await new Promise((wake) => setTimeout(wake, wait));
      wait = Math.min(wait * 2, 10000);
    }
  }

  // What people do
  async function post(button) {
    if (button.dataset.ask && !confirm(button.dataset.ask)) return;
    const options = { method: "POST" };
    if (button.dataset.body) {
      const labeller = main.querySelector("[data-labeller]")?.value.trim() || "";
      options.headers = { "content-type": "application/json" };
      options.body = JSON.stringify({ ...JSON.parse(button.dataset.body), labeller });
    }
    const focused = document.activeElement === button; // what is disabled loses it
    button.disabled = true;
    try {
      const answer = await ask(button.dataset.post, options);
      if (!answer.ok) say(await problem(answer));
    } catch { say("The daemon does not answer."); }
    button.disabled = false;
    if (focused) button.focus({ preventScroll: true });
    refresh();
  }
  async function open(path) {
    const page = window.open("", "_blank");
    try {
      const answer = await ask("/api/v1/tickets", {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ path }),
      });
      if (!answer.ok) { page?.close(); return say(await problem(answer)); }
      const { url } = await answer.json();
      if (page) { page.opener = null; page.location.replace(url); } else location.assign(url);
    } catch { page?.close(); say("The daemon does not answer."); }
  }
  addEventListener("click", (event) => {
    const target = event.target.closest("a, button");
    if (!target || event.defaultPrevented) return;
    if (target.dataset.post) return post(target);
    if (target.dataset.open) return open(target.dataset.open);
    if (target.tagName !== "A" || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const url = new URL(target.href);
    if (url.origin !== location.origin || target.classList.contains("skip")) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
  addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    if (form === login) {
      remember(document.getElementById("token").value.trim());
      show();
      return;
    }
    const filled = [...new FormData(form)].filter(([, value]) => value !== "");
    const [each, all] = (form.dataset.join || "").split(" "); // several ticks as one list, which makes a link to share
    const sent = all ? [[all, filled.filter(([name]) => name === each).map(([, value]) => value).join(",")]] : filled;
    const query = new URLSearchParams(sent).toString().replaceAll("%2C", ",");
    go(form.getAttribute("action") + (query ? `?${query}` : ""));
  });
  addEventListener("input", (event) => {
    if (!event.target.matches("[data-labeller]")) return;
    labeller = event.target.value;
    try { sessionStorage.setItem(LABELLER, labeller); } catch { /* kept in memory only */ }
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
    const box = main.querySelector("[data-slash]");
    if (box) { event.preventDefault(); box.focus(); }
  });
  addEventListener("popstate", () => show());
  addEventListener("hashchange", () => { if (location.hash.startsWith("#token=")) { begin(); show(); } });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && token) later(0); });
  begin();
  show({ focus: false });
})();
