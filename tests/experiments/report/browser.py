"""A headless Chromium that reads files without a network."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,900"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--proxy-server=127.0.0.1:9",  # where nobody listens: whatever asks the network fails
)


@pytest.fixture
def browser(tmp_path_factory) -> Iterator:
    """A WebDriver; without browser, driver or selenium the test is skipped."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install selenium")
    from selenium.webdriver.chrome.service import Service

    chrome = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chrome or not driver:
        pytest.skip("no browser: install chromium and its chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    environment = os.environ | {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
    with pytest.MonkeyPatch.context() as patch:  # selenium's own requests to the driver take no proxy
        for key in ("NO_PROXY", "no_proxy"):
            patch.setenv(key, environment[key])
        made = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield made
        finally:
            made.quit()


def address(path: Path) -> str:
    return path.resolve().as_uri()
