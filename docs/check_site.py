"""Load every page of the built site in Chromium: `python docs/check_site.py docs/_build/html`.

At desktop and phone width, light and dark: no errors in the console, nothing fetched from elsewhere, mathematics
typeset, pictures shown, nothing wider than the screen, every internal link with its anchor there, a search that finds.
"""

import functools
import http.server
import itertools
import re
import shutil
import sys
import threading
import urllib.parse
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"desktop": 1280, "phone": 390}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# What a page shows, asked once its mathematics is set.
LOOK = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const pictures = [...document.images];
  pictures.forEach(picture => { picture.loading = "eager"; });
  await Promise.all(pictures.map(picture => picture.decode().catch(() => {})));
  const unset = [...document.querySelectorAll(".math")].filter(element => !element.querySelector("mjx-container"));
  const broken = pictures.filter(picture => !picture.naturalWidth && picture.offsetParent);
  const root = document.documentElement;
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number);
  const light = red + green + blue > 382;
  return {
    "mathematics not typeset": unset.map(element => element.textContent.slice(0, 60)),
    "mathematics with errors": [...document.querySelectorAll("mjx-merror")].map(element => element.textContent),
    "pictures not shown": broken.map(picture => picture.src),
    "wider than the screen": root.scrollWidth > root.clientWidth + 1 ? [`${root.scrollWidth}`] : [],
    "of the other scheme": light === matchMedia("(prefers-color-scheme: dark)").matches ? [`light: ${light}`] : [],
  };
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def check(site: Path) -> list[str]:
    """What is wrong, a line each."""
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    if not pages:
        return [f"no pages in {site}: build them first"]
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        return [f"none of {', '.join(BROWSERS)} found; on Debian and Ubuntu: apt install chromium"]
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/"
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            return [*_links(site, pages), *_looks(browser, root, pages), *_search(browser, root)]
        finally:
            browser.close()
            server.shutdown()


def _looks(browser: Browser, root: str, pages: list[str]) -> list[str]:
    wrong = []
    for (width, pixels), scheme in itertools.product(WIDTHS.items(), ("light", "dark")):
        context = browser.new_context(viewport={"width": pixels, "height": 900}, color_scheme=scheme)
        page, heard = context.new_page(), []
        _listen(page, root, heard)
        for name in pages:
            heard.clear()
            page.goto(root + name, wait_until="load")
            found = page.evaluate(LOOK)
            faults = [f"{what}: {detail}" for what, details in found.items() for detail in details]
            wrong += [f"{name} ({width}, {scheme}): {fault}" for fault in (*heard, *faults)]
        context.close()
    return wrong


def _listen(page: Page, root: str, heard: list[str]) -> None:
    page.on("console", lambda message: heard.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("response", lambda reply: heard.append(f"{reply.status} for {reply.url}") if reply.status >= 400 else None)

    def requested(request: object) -> None:
        url = getattr(request, "url", "")
        if not url.startswith((root, "data:", "blob:")):
            heard.append(f"fetched from elsewhere: {url}")

    page.on("request", requested)


def _search(browser: Browser, root: str) -> list[str]:
    page = browser.new_page()
    page.goto(root + "search.html?q=interpolation")
    try:
        page.wait_for_selector("ul.search li a", timeout=20_000)
    except Exception:  # playwright's own, of whatever kind
        return ["search.html: nothing found for 'interpolation'"]
    return []


def _links(site: Path, pages: list[str]) -> list[str]:
    """Links to pages, files or anchors that are not there."""
    texts = {name: (site / name).read_text(encoding="utf-8") for name in pages}
    anchors = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in texts.items()}
    wrong = []
    for name, text in texts.items():
        for link in set(re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text)):
            parts = urllib.parse.urlsplit(link.replace("&amp;", "&"))
            if parts.scheme or parts.netloc:
                continue
            target = site / name if not parts.path else (site / name).parent / urllib.parse.unquote(parts.path)
            target = target.resolve()
            anchor = urllib.parse.unquote(parts.fragment)
            if not target.exists():
                wrong.append(f"{name}: links to {link}, which is not there")
            elif anchor and target.suffix == ".html":
                there = anchors[target.relative_to(site.resolve()).as_posix()]
                if anchor not in there:
                    wrong.append(f"{name}: links to {link}, which has no such anchor")
    return wrong


if __name__ == "__main__":
    faults = check(Path(sys.argv[1]))
    print("\n".join(faults) or "every page is as it should be")
    sys.exit(bool(faults))
