"""A real browser on a real server: the system's Chromium, driven by Playwright."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import waitress
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from waitress import wasyncore

import app as composition
from inviter.config import Config

WIDTHS = (360, 768, 1024, 1440)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOTS = os.environ.get("INVITER_TEST_SHOTS")
"""A folder to keep pictures of the pages in, to look at."""


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Site:
    """Web and delivery in this process, on a free port of the loopback address."""

    def __init__(self, settings: Config) -> None:
        self._sockets: dict[int, object] = {}
        self.server = waitress.create_server(
            _not_yet, host="127.0.0.1", port=0, threads=4, map=self._sockets
        )
        port = self.server.effective_port
        self.url = f"http://127.0.0.1:{port}"
        self.app: Flask = composition.create_app(replace(settings, base_url=self.url))
        self.server.application = self.app
        self.worker = composition.crew_of(self.app)
        self._threads = [
            threading.Thread(target=self._serve),
            threading.Thread(target=self.worker.run),
        ]

    def _serve(self) -> None:
        with suppress(OSError):  # its sockets are closed under it, to stop it
            self.server.run()

    def __enter__(self) -> "Site":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.worker.stop()
        wasyncore.close_all(self._sockets)
        self.server.task_dispatcher.shutdown()
        for thread in self._threads:
            thread.join(timeout=10)


def _not_yet(_environ: object, _start: object) -> list[bytes]:
    return []


class Person:
    """Someone with a browser of their own; what goes wrong in its console is kept."""

    def __init__(
        self,
        browser: Browser,
        site: Site,
        *,
        javascript: bool = True,
        width: int = 1440,
        touch: bool = False,
    ) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
            base_url=site.url,
            reduced_motion="reduce",
            has_touch=touch,
            is_mobile=touch,
        )
        self.touch = touch
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.scheme = "light"
        self.javascript = javascript
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        refused = "the server responded with a status of 4" in message.text
        sealed = "postMessage" in message.text  # axe speaks to frames, also to the mailbox's letter
        if message.type in ("error", "warning") and not refused and not sealed:
            self.complaints.append(message.text)

    def sign_in(self, address: str, password: str) -> None:
        self.page.goto("/sign-in")
        self.page.get_by_label("Email or mobile number").fill(address)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url("**/c/**")

    def storage(self) -> str:
        """All that the browser keeps beside cookies."""
        return str(self.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])"))

    def width_needed(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


def violations(page: Page) -> list[str]:
    """What axe finds, best practice included, in few words."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def look(person: Person, name: str) -> None:
    """At every width nothing scrolls sideways; pictures where they are asked for."""
    page = person.page
    before = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{SHOTS}/{name}-{width}.png", full_page=True, caret="initial")
        if page.evaluate("1 + 1") == 2:
            assert person.width_needed() <= width, f"{name} scrolls sideways at {width}"
    if before:
        page.set_viewport_size(before)
