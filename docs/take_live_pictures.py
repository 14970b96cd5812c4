"""Take the pictures of the live page: the table, and one run.

eigenstep view runs --no-open --port 8266
python docs/take_live_pictures.py http://127.0.0.1:8266/ demo/barlow_twins docs/images
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

address, run, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    )
    page = browser.new_page(viewport={"width": 1400, "height": 760})
    page.goto(address)
    page.wait_for_timeout(8000)
    page.screenshot(path=folder / "live-table.png")
    page.set_viewport_size({"width": 1300, "height": 1180})
    page.goto(f"{address}#run={run}&scale=log")
    page.wait_for_timeout(6000)
    slider = page.locator("input.frame")
    slider.evaluate(
        """slider => {
            slider.value = Math.round(0.8 * slider.max);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    page.wait_for_timeout(1000)
    page.screenshot(path=folder / "live-run.png")
    browser.close()
