"""A browser as people have it: Debian's Chromium, headless, driven from the machine that runs the tests."""

import base64
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

DESKTOP = (1280, 860)
PHONE = (360, 740)
PATIENCE = 30


class Browser:
    """A Chromium with a profile of its own, which is gone when it is closed."""

    def __init__(self, address: str, screenshots: Path) -> None:
        """Start it; pages are named by their path from here on."""
        self.address = address
        self.screenshots = screenshots
        screenshots.mkdir(parents=True, exist_ok=True)
        self.profile = tempfile.mkdtemp(prefix="phagescan-browser-")
        options = ChromeOptions()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for argument in (
            "--headless=new",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--no-first-run",
            "--force-color-profile=srgb",
            f"--user-data-dir={self.profile}",
        ):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
        self.driver = Chrome(options=options, service=Service(driver))
        self.show()

    def close(self) -> None:
        """End it."""
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # looking

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def show(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        """Give the window a size and the user a taste."""
        width, height = size
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == PHONE
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def line(self, upload: int = -1, offline: bool = False) -> None:
        """Make the line to the server slow (bytes a second), broken, or good again."""
        self.command("Network.enable")
        self.command(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=upload,
        )

    def screenshot(self, name: str, whole: bool = True) -> None:
        """Keep a picture of the page, or of what is in view."""
        picture = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        (self.screenshots / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def open(self, path: str) -> None:
        """Load a page."""
        self.driver.get(self.address + path)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """Find an element that has to be there."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Find all such elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Read an element, empty when there is none."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until a condition holds. The page may change while it is looked at."""
        patient = WebDriverWait(
            self.driver, PATIENCE, poll_frequency=0.1, ignored_exceptions=[StaleElementReferenceException]
        )
        return patient.until(lambda _: condition(), f"waited in vain: {what}")

    def wait_for(self, selector: str, text: str) -> str:
        """Wait until an element says something."""
        return self.wait(lambda: (said := self.text(selector)) and text in said and said, f"{selector} says {text}")

    def complaints(self) -> list[str]:
        """What the console holds that no one wants to see there: errors, and what the policy of the pages forbade."""
        said = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        # Over plain HTTP one header of Django's is ignored, and each page says so.
        return [message for message in said if "Cross-Origin-Opener-Policy" not in message]

    # doing

    def focused(self) -> WebElement:
        """Return the element that has the focus."""
        return self.driver.switch_to.active_element

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def tab_to(self, selector: str, most: int = 30) -> WebElement:
        """Press Tab until an element has the focus."""
        wanted = self.find(selector)
        for _ in range(most):
            self.press(Keys.TAB)
            if self.focused() == wanted:
                return wanted
        raise AssertionError(f"{selector} is not reached by {most} tabs")

    def drag(self, kind: str, files: list[Path], point: tuple[int, int]) -> None:
        """Let files be dragged over the page as a file manager does."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        self.command("Input.dispatchDragEvent", type=kind, x=point[0], y=point[1], data=data)

    def drop(self, files: list[Path], point: tuple[int, int] = (40, 600)) -> None:
        """Drag files over the page and drop them there."""
        for kind in ("dragEnter", "dragOver", "drop"):
            self.drag(kind, files, point)
