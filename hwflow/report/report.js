"use strict";
const root = document.documentElement;
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.getElementById("theme").addEventListener("click", (event) => {
  root.dataset.theme = dark() ? "light" : "dark";
  event.target.setAttribute("aria-pressed", String(dark()));
});
const cells = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()));
const csv = (table) => cells(table).map((row) => row.map((c) => /[",\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c).join(",")).join("\n");
const latex = (table) => {
  const rows = cells(table).map((row) => row.map((c) => c.replace(/([#$%&_{}])/g, "\\$1")).join(" & ") + " \\\\");
  return `\\begin{tabular}{${"l".repeat(table.rows[0].cells.length)}}\n\\hline\n${rows[0]}\n\\hline\n${rows.slice(1).join("\n")}\n\\hline\n\\end{tabular}`;
};
// a drawing that leaves the page takes the colours it has here with it
const drawing = (svg) => {
  const copy = svg.cloneNode(true);
  const from = svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    to[i].setAttribute("style", `fill:${style.fill};stroke:${style.stroke};stroke-width:${style.strokeWidth};font:${style.font}`);
  });
  return copy.outerHTML;
};
document.querySelectorAll("button[data-copy]").forEach((button) => button.addEventListener("click", async () => {
  const kind = button.dataset.copy;
  const table = document.getElementById("units");
  const text = kind === "svg" ? drawing(button.closest("figure").querySelector("svg")) : kind === "csv" ? csv(table) : latex(table);
  await navigator.clipboard.writeText(text);
  const label = button.textContent;
  button.textContent = "copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}));

// the pipeline at one stretch of time: a line in the drawing, a row for each unit
const moves = document.getElementById("moves");
if (moves) {
  const { begins, units } = JSON.parse(moves.textContent), states = ["idle", "moving", "busy", "stalled", "waiting"];
  const slider = document.getElementById("when"), line = document.querySelector("#pipeline .now");
  const rows = [...document.querySelectorAll("#now tbody tr")], from = Number(line.getAttribute("x1"));
  const show = () => {
    const k = Number(slider.value), x = from + 640 * (k + 0.5) / begins.length;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    document.getElementById("cycle").textContent = begins[k].toLocaleString("en");
    slider.setAttribute("aria-valuetext", `cycle ${begins[k]}`);
    rows.forEach((row, i) => {
      row.cells[1].textContent = states[units[i].states[k]];
      row.cells[2].textContent = units[i].words[k].toLocaleString("en");
    });
  };
  slider.addEventListener("input", show);
  show();
}
