"use strict";
/* Puts alerts on the page as they are raised (server-sent events). Without this script the page is loaded again. */
(() => {
  const said = document.getElementById("live"), rows = document.getElementById("alerts");
  if (!said || !rows || !("EventSource" in window)) return;
  const source = new EventSource(said.dataset.stream);
  const because = { authority: "your jurisdiction", relying: "an open line rests on it", author: "your own statements" };
  let count = 0;

  const cell = (tag, label, ...inside) => {
    const made = document.createElement(tag);
    made.dataset.label = label;
    made.append(...inside);
    return made;
  };
  const link = (href, text) => {
    const made = document.createElement("a");
    made.href = href;
    made.textContent = text;
    return made;
  };
  const chip = (text) => {
    const made = document.createElement("span");
    made.className = "chip v-plain";
    made.textContent = text;
    return made;
  };

  source.addEventListener("open", () => {
    if (!count) said.textContent = "Live: new alerts appear by themselves.";
  });
  source.addEventListener("error", () => {
    said.textContent = "Not connected: trying again. What came meanwhile will appear.";
  });
  source.addEventListener("alert", (event) => {
    const told = JSON.parse(event.data), row = document.createElement("tr");
    row.className = "new";
    const what = [link(told.href, told.text)];
    if (told.rule) what.push(" ", chip(told.rule));
    if (told.times > 1) what.push(` ${told.times} times`);
    if (told.weight === 3) {
      const heavy = document.createElement("b");
      heavy.textContent = " to be acted on";
      what.push(heavy);
    }
    const battery = told.battery
      ? link("/batteries/" + encodeURIComponent(told.battery), told.battery) : (told.maker || "-");
    row.append(
      cell("th", "When", new Date(told.time * 1000).toISOString().replace("T", " ").replace(".000Z", " UTC")),
      cell("td", "What", ...what), cell("td", "Battery", battery), cell("td", "By", told.party_name || told.party),
      cell("td", "Why you are told", told.because.map((one) => because[one] || one).join(", ")), cell("td", "State", told.state + " ", chip("new")));
    document.getElementById("none")?.remove();
    rows.prepend(row);
    count += 1;
    said.textContent = `Live: ${count} since this page was opened.`;
  });
})();
