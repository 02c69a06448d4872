// The dialog, failed requests, comforts. Every page works without it.
(function () {
  "use strict";

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector) => document.querySelectorAll(selector);
  const hear = (name, act) => window.addEventListener(name, act);
  const dialog = byId("dialog");
  const banner = byId("banner");
  const live = byId("live");
  const words = banner.dataset;
  const on = (name, act) => document.addEventListener(name, act);
  const say = (text) => { live.textContent = text; };
  const isLost = () => !document.activeElement || document.activeElement === document.body;

  root.classList.add("js");

  const tidy = () => sessionStorage.clear(); // htmx keeps it, and it may hold a name
  hear("load", tidy);

  // Opened by a swap, emptied when closed.
  let opener = null;
  let title = document.title;
  let unsure = false; // whether more may have been sent

  function open(form) {
    const heading = dialog.querySelector("h2");
    if (form.id === "invite-form") forgive(form);
    opener = byId(form.dataset.opener) || document.activeElement;
    dialog.setAttribute("aria-labelledby", heading.id);
    if (!dialog.open) dialog.showModal();
    heading.focus();
  }

  // What was wrong is mended by now.
  function forgive(form) {
    title = title.replace(words.error + " ", "");
    all("#errors, form .fault").forEach((text) => text.remove());
    form.querySelectorAll(".wrong").forEach((field) => field.classList.remove("wrong"));
    form.querySelectorAll("[aria-invalid]").forEach((field) => {
      ["aria-invalid", "aria-describedby"].forEach((name) => field.removeAttribute(name));
    });
  }

  function close() {
    if (dialog.open && !dialog.querySelector(".htmx-request")) dialog.close();
  }

  dialog.addEventListener("cancel", (event) => {
    if (dialog.querySelector(".htmx-request")) event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    const kept = problem;
    const isStale = opener && dialog.querySelector("[data-stale]"); // so is the page behind it
    dialog.replaceChildren();
    if (opener) document.title = title;
    if (unsure && byId("results")) window.htmx.ajax("get", location.href, { target: "#list", swap: "outerHTML" });
    if (isStale) window.htmx.ajax("get", location.href, { target: "#content", swap: "outerHTML" });
    unsure = false;
    if (kept) banner.prepend(problem = kept);
    const back = opener && (opener.isConnected ? opener : byId(opener.id)); // it may be drawn anew
    if (back) back.focus();
    opener = null;
  });

  // Focus after a swap: errors, what asks for it, the heading; never the body.
  on("htmx:afterSettle", (event) => {
    const { target, elt } = event.detail;
    tidy();
    if (target === dialog) return open(event.detail.requestConfig.elt || elt);
    const fresh = byId(target.id);
    if (!fresh) return;
    if (!dialog.contains(fresh)) title = document.title;
    const summary = byId("errors");
    if (fresh.id === "rows" && summary) summary.remove();
    const isLeaving = dialog.contains(event.detail.requestConfig.elt) && !dialog.contains(fresh);
    if (isLeaving) {
      if (fresh.id === "content") opener = null;
      dialog.close();
    }
    all(".skip").forEach((link) => { link.hidden = !document.querySelector(link.hash); });
    const errors = fresh.querySelector("#errors");
    if (errors) return errors.focus();
    if (!isLost() && !(isLeaving && !opener)) return;
    const head = fresh.id === "results" ? byId("invited") : fresh.querySelector("h1, h2");
    const next = fresh.querySelector("[autofocus]") || head || fresh;
    if (fresh.id === "content") window.scrollTo(0, 0);
    next.focus({ preventScroll: fresh.id === "content" });
  });

  // A failed GET is tried once more in silence; a POST never is.
  const flights = new Map();
  const retried = new WeakSet();
  let offline = null;
  let problem = null;

  function tell(heading, text, again) {
    const make = (name, into) => into.appendChild(document.createElement(name));
    const box = document.createElement("div");
    const body = make("div", box);
    box.className = "banner error";
    box.setAttribute("role", "alert");
    if (heading) make("strong", body).textContent = heading;
    make("p", body).textContent = text;
    if (again) {
      const button = make("button", body);
      button.type = "button";
      button.textContent = words.again;
      button.addEventListener("click", again);
    }
    (dialog.open ? dialog.firstElementChild : banner).prepend(box);
    if (dialog.open) box.scrollIntoView({ block: "nearest" });
    return box;
  }

  function forget() {
    problem = problem && problem.remove();
  }

  function lose(text) {
    forget();
    if (offline) offline.remove();
    offline = tell("", text || words.offline);
  }

  function regain() {
    if (!offline) return;
    offline = offline.remove();
    say(words.online);
  }

  function repeat(config) {
    forget();
    if (!config.elt.isConnected) return location.reload();
    if (config.elt.matches("select")) config.elt.value = config.parameters[config.elt.name];
    window.htmx.ajax(config.verb, config.path, { source: config.elt }).catch(() => {}); // told by the events
  }

  function fail(config, heading, text) {
    forget();
    problem = tell(heading, text, () => repeat(config));
  }

  const isSafe = (config) => config.verb === "get" || "safe" in config.elt.dataset;

  function unchoose({ elt }) {
    if (elt.matches("select")) [...elt.options].forEach((option) => { option.selected = option.defaultSelected; });
  }

  function lost(event, text) {
    const config = event.detail.requestConfig;
    unchoose(config);
    if (!navigator.onLine) return lose(config.elt.dataset.offline);
    if (config.verb === "get" && !retried.has(config.elt)) {
      retried.add(config.elt);
      return setTimeout(() => repeat(config), 1000);
    }
    if ("quiet" in config.elt.dataset) text = words.stale;
    unsure = !isSafe(config);
    fail(config, words.heading, unsure ? words.post : text);
  }

  on("htmx:beforeRequest", (event) => {
    const { elt, xhr, target, requestConfig } = event.detail;
    const isQuiet = elt.hasAttribute("data-quiet");
    if (isQuiet && document.hidden) return event.preventDefault();
    const flight = { focus: document.activeElement, target, timers: [], note: null };
    const later = (wait, act) => flight.timers.push(setTimeout(act, wait));
    flights.set(xhr, flight);
    if (isQuiet) return;
    forget();
    later(400, () => {
      root.classList.add("busy");
      target.setAttribute("aria-busy", "true");
    });
    if (requestConfig.verb === "get") later(750, () => say(words.loading));
    later(3000, () => {
      const button = elt.querySelector(".primary") || elt;
      flight.note = document.createElement("span");
      flight.note.className = "waiting";
      flight.note.textContent = words.slow;
      button.after(flight.note);
      say(words.slow);
    });
  });

  on("htmx:afterRequest", (event) => {
    const { xhr, successful, elt } = event.detail;
    const flight = flights.get(xhr);
    if (!flight) return;
    flights.delete(xhr);
    flight.timers.forEach(clearTimeout);
    flight.target.removeAttribute("aria-busy");
    if (flight.note) flight.note.remove();
    if (!flights.size) root.classList.remove("busy");
    if (xhr.status) regain();
    if (successful) retried.delete(elt);
    else if (isLost() && flight.focus.isConnected) flight.focus.focus();
  });

  on("htmx:sendError", (event) => lost(event, words.get));
  on("htmx:timeout", (event) => lost(event, words.timeout));
  on("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector("[data-problem]");
    const text = (selector) => page && page.querySelector(selector) ? page.querySelector(selector).textContent : "";
    const quiet = "quiet" in requestConfig.elt.dataset;
    const said = xhr.status >= 500 && isSafe(requestConfig) ? (quiet ? words.stale : words.get) : text("p");
    const whole = [said || words.post, text(".hint")].join(" ").trim();
    unchoose(requestConfig);
    if (xhr.status >= 500) return fail(requestConfig, text("h1") || words.heading, whole);
    forget();
    problem = tell(text("h1") || words.heading, whole);
  });

  hear("offline", () => lose());
  hear("online", regain);
  document.addEventListener("visibilitychange", () => {
    const waiting = document.querySelector("[data-quiet]");
    if (waiting && !document.hidden) window.htmx.trigger(waiting, "wake");
  });

  // It may be someone else's by now.
  hear("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  on("click", (event) => {
    const button = event.target.closest("[data-close], [data-copy], [data-show]");
    if (!button) return;
    if ("close" in button.dataset && dialog.contains(button)) {
      event.preventDefault();
      close();
    }
    if (button.dataset.copy) copy(button);
    if (button.dataset.show) show(button);
  });

  function copy(button) {
    const done = () => {
      all("button[data-copied]").forEach(uncopy);
      button.dataset.copied = button.querySelector("span").textContent;
      button.querySelector("span").textContent = words.copied;
      say(words.copied);
    };
    if (navigator.clipboard) return navigator.clipboard.writeText(button.dataset.copy).then(done);
    const field = document.createElement("textarea"); // over plain http there is no clipboard
    field.value = button.dataset.copy;
    button.after(field);
    field.select();
    if (document.execCommand("copy")) done();
    field.remove();
    button.focus();
  }

  function uncopy(button) {
    button.querySelector("span").textContent = button.dataset.copied;
    delete button.dataset.copied;
  }

  function show(button) {
    const field = byId(button.dataset.show);
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  }

  const summary = byId("errors");
  if (summary) summary.focus();

  // Two minutes before the server signs one out. What happens in one tab holds in all.
  const idle = byId("idle");
  const tabs = window.BroadcastChannel ? new BroadcastChannel("idle") : { postMessage() {} };
  let end = Infinity;

  const post = (url, form) => fetch(url, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const leave = () => location.replace(location.pathname + location.search);

  // After a request of a person's; `told` by another tab. Who was signed out is sent to sign in.
  function seen(answer, told) {
    if (!idle) return;
    if (answer && (answer.redirected || !answer.ok)) return leave();
    end = Date.now() + idle.dataset.seconds * 1000;
    if (idle.open) idle.close();
    if (!told) tabs.postMessage("seen");
  }

  function warn() {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) return leave();
    if (left > 120) return;
    if (!idle.open) idle.showModal();
    byId("idle-left").textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    if (left % 15 === 0) byId("idle-said").textContent = idle.dataset.said.replace("##", left);
  }

  if (idle) {
    const stay = (event) => {
      if (event.submitter && event.submitter.formAction !== event.target.action) return;
      event.preventDefault();
      const form = idle.querySelector("form");
      post(form.action, form).then(seen, () => {});
    };
    idle.addEventListener("cancel", stay);
    idle.addEventListener("submit", stay);
    tabs.onmessage = ({ data }) => data === "out" ? leave() : seen(null, true);
    on("htmx:afterRequest", ({ detail }) => {
      if (detail.successful && !("quiet" in detail.elt.dataset)) seen();
    });
    setInterval(warn, 1000);
    seen();
  } else if (document.querySelector("form[action^='/sign-in']")) {
    tabs.postMessage("out");
  }

  // What is typed is kept by the server, never here: after a while, or when a field is left.
  let typed = null;
  let keeping = 0;
  let kept = null; // one at a time, and what saves waits for it
  function keep() {
    clearTimeout(keeping);
    const form = typed;
    if (kept) return kept.then(keep);
    typed = null;
    if (!form || !form.isConnected || !navigator.onLine) return;
    const fields = new FormData(form);
    const done = () => { kept = null; };
    kept = fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(fields) }).then((answer) => {
      if (answer.status >= 400) return;
      seen(answer);
      [...form.elements].filter(({ name }) => name.endsWith("-shown")).forEach((before) => {
        const name = before.name.slice(0, -6);
        if (form.elements[name]) before.value = fields.get(name) || "";
      });
    }).then(done, done);
  }
  on("input", ({ target }) => {
    typed = target.closest("[data-draft]");
    clearTimeout(keeping);
    keeping = setTimeout(keep, 1000);
  });
  on("change", keep);
  on("htmx:confirm", (event) => {
    const { elt, issueRequest } = event.detail;
    if (!kept || !elt.closest("#check")) return;
    event.preventDefault();
    kept.then(() => issueRequest(true));
  });

  // Lines of a spreadsheet: asked about, beside what the browser does with them.
  on("paste", ({ target, clipboardData }) => {
    const ask = byId("paste");
    const text = clipboardData.getData("text");
    const filled = text.split(/[\r\n]+/).filter((line) => /[^\s,;]/.test(line));
    if (filled.length < 2 || !/^rows-.*first_name$/.test(target.id)) return;
    const [question, lines, yes] = ask.children;
    question.textContent = ask.dataset.ask.replace("##", filled.length);
    lines.value = text;
    yes.value = target.name;
    ask.hidden = false;
    setTimeout(() => yes.focus());
  });

  on("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest("#invite-form");
    if (!form) return;
    event.preventDefault();
    byId(form.dataset.opener).click();
  });
})();
