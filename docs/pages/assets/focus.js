// Code and tables that are wider than the page scroll, so the keyboard must reach them.
document.querySelectorAll("pre > code, article table").forEach((wide) => wide.setAttribute("tabindex", "0"));
