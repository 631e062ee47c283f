// Keys, evidence that lights up, and the heatmap. Whatever comes from a report is handled as text alone.
(() => {
  "use strict";

  const typing = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const shown = (element) => element.getClientRects().length > 0;
  const keysAreOff = () => localStorage.getItem("dispatch-keys") === "off";

  function pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return "Ctrl+Enter";
    if (event.ctrlKey || event.metaKey || event.altKey) return "";
    return event.key === "Escape" ? "Esc" : event.key;
  }

  let busyUntil = 0;

  function move(step) {
    const rows = [...document.querySelectorAll("[data-row]")].filter(shown);
    if (!rows.length) return;
    const now = rows.indexOf(document.activeElement?.closest("[data-row]"));
    rows[now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(now + step, 0), rows.length - 1)].focus();
  }

  document.addEventListener("keydown", (event) => {
    const key = pressed(event);
    if (!key || event.isComposing || event.repeat && !["j", "k"].includes(key)) return;
    const dialog = document.querySelector("dialog[open]");
    if (key === "Ctrl+Enter" && typing(event.target)) {
      const answer = dialog?.querySelector("[data-answer]") ?? document.querySelector('[data-key="Ctrl+Enter"]');
      if (answer && shown(answer)) answer.click();
      return;
    }
    if (dialog) return;
    if (typing(event.target)) {
      if (key === "Esc") event.target.blur();
      return;
    }
    if (keysAreOff() && key.length === 1 && key !== "?") return;
    if (key === "Enter" && event.target.closest?.("a, button, summary, input")) return; // they know what to do
    if (key === "j" || key === "k") {
      event.preventDefault();
      move(key === "j" ? 1 : -1);
      return;
    }
    const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(shown);
    if (!target || target.disabled) return;
    event.preventDefault();
    // What is typed before a step has had its effect is meant for what it opens, and must not be another step.
    if (Date.now() < busyUntil) return;
    if (target.matches("button")) busyUntil = Date.now() + 600;
    if (target.matches("input, textarea")) target.focus();
    else target.click();
  });

  // A dialog is answered only where something is typed.
  for (const name of ["focusin", "input"]) {
    document.addEventListener(name, (event) => {
      const answer = event.target.closest?.("dialog")?.querySelector("[data-answer]");
      if (answer && event.target.matches("textarea")) answer.disabled = !event.target.value.trim();
    });
  }

  // A claim is renewed for who is at work.
  let told = 0;
  for (const name of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(name, () => {
      if (Date.now() - told < 2000 || typeof emitEvent !== "function") return;
      told = Date.now();
      emitEvent("console_active");
    }, { passive: true });
  }

  // What is typed in a draft's place outlives a reload until it is handed in or dropped: in this tab, for who typed it.
  const KEPT = "dispatch-edit ";
  const kept = () => `${KEPT}${document.querySelector(".who > span")?.textContent} ${location.pathname}`;
  document.addEventListener("input", (event) => {
    if (event.target.matches?.(".editor textarea")) sessionStorage.setItem(kept(), event.target.value);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("action") !== "/sign-out") return;
    Object.keys(sessionStorage).filter((key) => key.startsWith(KEPT)).forEach((key) => sessionStorage.removeItem(key));
  });
  window.dispatchEdit = {
    begin(field, draft) {
      const typed = sessionStorage.getItem(kept());
      field.value = typed ?? draft;
      if (typed !== null) field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    },
    forget: () => sessionStorage.removeItem(kept()),
  };

  // A server that knows the session no more, as after a restart, refuses the socket; only a page can lead to the sign-in.
  let socket = null;
  function watchSocket() {
    if (!window.socket || socket === window.socket) return;
    socket = window.socket;
    socket.on("connect_error", async (error) => {
      const answer = await fetch(location.pathname, { method: "HEAD", redirect: "manual" }).catch(() => null);
      if (answer?.type === "opaqueredirect" || error.message === "the page is another's") location.reload();
    });
  }

  // Evidence: what a claim or a check names is lit while one points at it, and the other way round.
  let lit = [];
  function light(source) {
    lit.forEach((element) => element.classList.remove("lit"));
    lit = [];
    if (!source) return;
    const names = (source.dataset.evidence ?? source.dataset.of ?? "").split(" ").filter(Boolean);
    const other = source.dataset.evidence === undefined ? "evidence" : "of";
    lit = names.flatMap((name) => [...document.querySelectorAll(`[data-${other}~="${CSS.escape(name)}"]`)]);
    if (lit.length) lit.push(source);
    lit.forEach((element) => element.classList.add("lit"));
  }
  for (const name of ["mouseover", "focusin"]) {
    document.addEventListener(name, (event) => light(event.target.closest?.("[data-evidence], [data-of]")));
  }

  // The list is read again and again: whoever is in it stays where they were, and a new page begins with the first.
  let row = null;
  document.addEventListener("focusin", (event) => {
    row = event.target.closest?.(".queue [data-row]")?.dataset.row ?? null;
  });
  function keepFocus() {
    const list = document.querySelector(".queue");
    if (!list || (document.activeElement && document.activeElement !== document.body)) return;
    const target = row && list.querySelector(`[data-row="${CSS.escape(row)}"]`);
    if (target) target.focus({ preventScroll: true });
  }

  // The heatmap draws what its canvas holds as its picture.
  function draw(canvas) {
    const { rows, columns, weights } = JSON.parse(canvas.dataset.picture);
    const cell = 18, font = "14px sans-serif", pen = canvas.getContext("2d");
    pen.font = font;
    const wide = (texts) => Math.max(...texts.map((said) => pen.measureText(said).width)) + 8;
    const left = wide(rows), top = wide(columns), ratio = window.devicePixelRatio || 1;
    const width = left + cell * columns.length + 2, height = top + cell * rows.length + 2;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    pen.scale(ratio, ratio);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.font = font;
    pen.textBaseline = "middle";
    pen.fillStyle = "#1b2430";
    rows.forEach((said, at) => {
      pen.textAlign = "right";
      pen.fillText(said, left - 4, top + cell * (at + 0.5));
    });
    columns.forEach((said, at) => {
      pen.save();
      pen.translate(left + cell * (at + 0.5), top - 4);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "left";
      pen.fillText(said, 0, 0);
      pen.restore();
    });
    const most = Math.max(...weights.map((line) => Math.max(...line))) || 1; // the darkest
    weights.forEach((line, y) => line.forEach((weight, x) => {
      const share = weight / most;
      pen.fillStyle = `rgb(${[255 - 238 * share, 255 - 187 * share, 255 - 133 * share].map(Math.round).join(" ")})`;
      pen.fillRect(left + cell * x, top + cell * y, cell - 1, cell - 1);
    }));
    canvas.onmousemove = (event) => {
      const x = Math.floor((event.offsetX - left) / cell), y = Math.floor((event.offsetY - top) / cell);
      canvas.title = weights[y]?.[x] === undefined ? "" : `${rows[y]} ← ${columns[x]}: ${weights[y][x].toFixed(3)}`;
    };
    canvas.dataset.drawn = `${rows.length}×${columns.length}`;
  }
  const drawn = new WeakMap();
  function drawNew() {
    document.querySelectorAll("canvas[data-picture]").forEach((canvas) => {
      if (drawn.get(canvas) === canvas.dataset.picture) return;
      drawn.set(canvas, canvas.dataset.picture);
      draw(canvas);
    });
  }

  function keepToggles() {
    document.querySelectorAll('[data-toggle="keys"]').forEach((box) => {
      if (box.dataset.ready) return;
      box.dataset.ready = "1";
      box.checked = keysAreOff();
      box.addEventListener("change", () => localStorage.setItem("dispatch-keys", box.checked ? "off" : "on"));
    });
  }

  new MutationObserver(() => {
    keepFocus();
    drawNew();
    keepToggles();
    watchSocket();
  }).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-picture"],
  });
})();
