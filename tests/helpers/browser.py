"""Open pages in headless Chromium and note whatever goes wrong on them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

# No sandbox: it needs rights that a container lacks. The rest keeps Chromium itself from asking
# the network for anything.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONGEST_WAIT = 60_000  # milliseconds
# Images load lazily: one far down that is broken would never be noticed.
BROKEN_IMAGES = """async () => {
    const wrong = [];
    for (const image of document.images) {
        image.loading = "eager";
        await image.decode().catch(() => wrong.push(image.alt || image.id));
    }
    return wrong;
}"""


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Start Chromium, for several pages; only one at a time. Skip the test if there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed; `apt-get install chromium` does it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    path: Path, width: int = 1280, height: int = 900, browser: Browser | None = None
) -> Iterator[tuple[Page, list[str]]]:
    """Open an HTML file from its file:// address.

    Parameters
    ----------
    path : Path
    width, height : int
        Of the window, pixels.
    browser : Browser, optional
        From `start_browser`; otherwise one is started for this page.

    Yields
    ------
    page : Page
    problems : list of str
        What has gone wrong so far: errors and warnings in the console, exceptions in the page's
        scripts, dialogs, images that cannot be shown, requests that fail or that go anywhere
        but to file: and data:.
    """
    if browser is None:
        with start_browser() as browser, open_page(path, width, height, browser) as opened:
            yield opened
        return
    problems: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            problems.append(f"console {message.type}: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            problems.append(f"request to {request.url}")

    def on_dialog(dialog: Dialog) -> None:
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_failure(request: Request) -> None:
        # A page that is left stops loading its lazy images: nothing is wrong with it.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"failed: {request.url[:100]} {request.failure}")

    page = browser.new_page(viewport={"width": width, "height": height})
    try:
        page.set_default_timeout(LONGEST_WAIT)
        page.on("console", on_console)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("request", on_request)
        page.on("requestfailed", on_failure)
        page.on("dialog", on_dialog)
        page.goto(Path(path).resolve().as_uri())
        problems += [f"broken image: {name}" for name in page.evaluate(BROKEN_IMAGES)]
        yield page, problems
    finally:
        page.close()
