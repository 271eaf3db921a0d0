"""The page's tests in a real browser: Debian's chromium, without a window; skipped where there is none."""
import json
import shutil

import pytest


class Browser:
    """A headless Chromium, and what it logs."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path):
        """Open a file, with empty logs."""
        self.driver.get("about:blank")
        self.requests(), self.errors()
        self.driver.get(path.absolute().as_uri())
        return self.driver

    def requests(self):
        """The addresses requested since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"]

    def errors(self):
        """What the console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def emulate(self, width=None, **media):
        """Take a width in pixels, and media such as media='print' or scheme='dark'."""
        if width is not None:
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "media": media.get("media", ""),
            "features": [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]})


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="the extra `browser` is not installed")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
                 "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_script_timeout(120)
    yield Browser(started)
    started.quit()


@pytest.fixture
def browser(chromium):
    """A Browser as wide as a desk, light."""
    chromium.emulate(1280)
    return chromium
