"use strict";
/* How far a consignment is judged, in place: by server-sent events, or asked for every few seconds where they
   do not come. What the reader looks at stays until they ask for more. Without this script the page reloads. */
(() => {
  const said = document.getElementById("judging");
  if (!said) return;
  const done = document.getElementById("done"), bar = document.getElementById("bar");
  const finished = document.getElementById("finished");
  const AGAIN_MS = 3000;
  let reached = Number(said.dataset.done), stream = null;

  const tell = (count) => {
    reached = Math.max(reached, count);
    done.textContent = String(reached);
    bar.value = reached;
  };
  const end = () => {
    if (stream) stream.close();
    finished.hidden = false;
    if (said.dataset.done === "0" && window.scrollY === 0) location.reload();
  };
  const ask = async () => {
    try {
      const answer = await fetch(location.pathname + "?limit=0", { headers: { Accept: "application/json" } });
      const now = await answer.json();
      tell(now.done);
      if (now.state === "done" || now.state === "set_aside" || now.state === "stopped") return end();
    } catch { /* asked again below */ }
    setTimeout(ask, AGAIN_MS);
  };

  if (!("EventSource" in window)) return void ask();
  stream = new EventSource(said.dataset.events + "?after=" + reached);
  stream.onmessage = (event) => {
    const now = JSON.parse(event.data);
    tell(now.done);
    if (now.done >= now.lines) end();
  };
  stream.onerror = () => {
    stream.close();
    setTimeout(ask, AGAIN_MS);
  };
})();
