"use strict";
/* Puts alerts on the page as they are raised (server-sent events), in the words that the page gives it.
   Without this script the page is loaded again. */
(() => {
  const said = document.getElementById("live"), rows = document.getElementById("alerts");
  if (!said || !rows || !("EventSource" in window)) return;
  const source = new EventSource(said.dataset.stream), word = (name) => said.dataset[name] || name;
  const headings = [...rows.closest("table").tHead.rows[0].cells].map((one) => one.textContent);
  let count = 0;

  const cell = (tag, column, ...inside) => {
    const made = document.createElement(tag);
    made.dataset.label = headings[column];
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
    if (!count) said.textContent = word("live");
  });
  source.addEventListener("error", () => {
    said.textContent = word("away");
  });
  source.addEventListener("alert", (event) => {
    const told = JSON.parse(event.data), row = document.createElement("tr");
    row.className = "new";
    const what = [link(told.href, told.text)];
    if (told.rule) what.push(" ", chip(told.rule));
    if (told.times > 1) what.push(` × ${told.times}`);
    if (told.weight === 3) {
      const heavy = document.createElement("b");
      heavy.textContent = ` ${word("heavy")}`;
      what.push(heavy);
    }
    const battery = told.battery
      ? link("/batteries/" + encodeURIComponent(told.battery), told.battery) : (told.maker || "-");
    const where = cell("td", 2, battery);
    where.className = "id";
    row.append(
      cell("th", 0, new Date(told.time * 1000).toISOString().replace("T", " ").replace(".000Z", " UTC")),
      cell("td", 1, ...what), where, cell("td", 3, told.party_name || told.party),
      cell("td", 4, told.because.map(word).join(", ")), cell("td", 5, word(told.state) + " ", chip(word("new"))));
    document.getElementById("none")?.remove();
    rows.prepend(row);
    count += 1;
    said.textContent = `${word("since")} ${count}`;
  });
})();
