"""How the page of a report looks, on a screen and on paper, and the script that copies its tables."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --muted: #5d6473; --line: #dfe2e8; --page: #f5f6f8; --card: #fff;
  --link: #3b4cc0 }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --muted: #a3aaba; --line: #333947; --page: #14171d; --card: #1d2129; --link: #a9b8ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem }
p { max-width: 46rem }
small, figcaption, caption, thead th, summary { color: var(--muted); font-size: .875rem }
small { display: block }
a, button { color: var(--link); font: inherit; padding: .15rem 0 }
button { background: none; border: 0; text-decoration: underline; cursor: pointer }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0 }
.tile, .table { background: var(--card); border: 1px solid var(--line); border-radius: .6rem }
.tile { padding: .8rem 1rem }
.tile b { display: block; font-size: 1.9rem; line-height: 1.3; font-weight: 650 }
.table { overflow-x: auto; container-type: inline-size; margin-bottom: 1rem }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-variant-numeric: tabular-nums }
caption { text-align: left }
caption div { position: sticky; left: 0; display: inline-flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem;
  max-width: 100cqw; padding: .3rem .9rem }
th, td { padding: .45rem .9rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line);
  vertical-align: top; font-weight: 400 }
th:first-child { position: sticky; left: 0; background: var(--card); text-align: left }
tbody th span { display: inline-block; width: max-content; max-width: 22rem; white-space: normal;
  overflow-wrap: anywhere }
.protocol td { width: 100%; text-align: left; white-space: normal; overflow-wrap: anywhere }
summary { cursor: pointer; padding: .45rem 0 }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0 }
figure { margin: 0; flex: 1 1 min(24rem, 100%); min-width: 0; max-width: calc(130px * var(--inches) + 1.2rem) }
figcaption { margin-top: .3rem }
figure div { overflow-x: auto; background: #fff; padding: .5rem; border: 1px solid var(--line); border-radius: .6rem }
img { display: block; width: 100%; height: auto; min-width: calc(72px * var(--inches)) }
@media (max-width: 40rem) {
  body { padding: .5rem .75rem 2rem }
  figure div { padding: .25rem }
  th, td { padding: .45rem .5rem }
  tbody th span { max-width: 10rem } }
@media print {
  @page { margin: 14mm }
  body { max-width: none; padding: 0; background: #fff; font-size: 10pt }
  h2 { margin-top: 1.2rem }
  h2, h2 + p, caption, summary { break-after: avoid }
  thead { display: table-header-group }
  tr, figure, .tiles, .table { break-inside: avoid }
  .table { overflow: visible; container-type: normal }
  th:first-child, caption div { position: static }
  table { font-size: clamp(6pt, calc(90pt / var(--columns)), 9.5pt) }
  th, td { white-space: normal; padding: .15rem .3rem }
  tbody th span { max-width: 70mm }
  small, caption, thead th, figcaption, summary { font-size: .9em }
  td small { white-space: nowrap }
  figure { flex-basis: 80mm; max-width: calc(1in * var(--inches) + 1.2rem) }
  img { min-width: 0 }
  a, button { display: none }
  details::details-content { content-visibility: visible; display: block; height: auto } }
"""

SCRIPT = """
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true } catch {}
  let copied = false
  document.addEventListener("copy", (event) => {
    event.clipboardData.setData("text/plain", text); event.preventDefault(); copied = true }, { once: true })
  return document.execCommand("copy") && copied
}
for (const link of document.querySelectorAll("a[download]")) {
  const button = document.createElement("button"), result = document.createElement("span")
  button.type = "button"
  button.textContent = "Copy as CSV"
  button.setAttribute("aria-label", "Copy as CSV: " + link.download)
  result.setAttribute("role", "status")
  button.addEventListener("click", async () => {
    const copied = await copy(decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1)))
    if (!copied) link.click()
    result.textContent = copied ? " Copied" : " Downloaded, because this browser does not allow copying"
  })
  link.before(button)
  link.after(result)
}
"""
"""Adds a button to each table. A browser that does not allow copying downloads the file of the link instead."""
