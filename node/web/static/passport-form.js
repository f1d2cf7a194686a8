"use strict";
/* What is missing, said anew while the form is filled: the server counts, as for "Check". Opens the part of the
   form that a link leads into. Without this script the button does the first, and every part can be opened. */
(() => {
  const form = document.getElementById("passport-form"), missing = document.getElementById("missing");
  if (!form || !missing) return;
  const CALM_MS = 400;
  let timer = 0, asked = 0;

  const count = async () => {
    const mine = ++asked, sent = new URLSearchParams(new FormData(form));
    sent.set("do", "count");
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok && mine === asked) {
        const told = new DOMParser().parseFromString(text, "text/html").body;
        missing.replaceChildren(...told.childNodes);
      }
    } catch { /* said again at the next change, or by the button */ }
  };
  form.addEventListener("change", () => {
    clearTimeout(timer);
    timer = setTimeout(count, CALM_MS);
  });

  const open = () => {
    const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = there && there.closest("details");
    if (!folded) return;
    folded.open = true;
    there.scrollIntoView();
    const first = there.matches("input, select, textarea") ? there : there.querySelector("input, select, textarea");
    if (first) first.focus();
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#f-"]');
    if (link && link.hash === location.hash) open();  // the same place once more
  });
  open();
})();
