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
