"""Take the README's picture: the linear model in the demo's report, after its fourth mode.

python docs/take_picture.py runs/demo/report.html docs/images/report.png
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

report, picture = Path(sys.argv[1]).resolve(), sys.argv[2]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1300, "height": 860})
    page.goto(report.as_uri())
    section = page.locator("section.run").first
    section.locator("input.frame").wait_for()
    page.evaluate("window.scrollTo(0, document.querySelector('section.run .panels').offsetTop - 80)")
    page.wait_for_timeout(2500)
    slider = section.locator("input.frame")
    slider.evaluate(
        """slider => {
            slider.value = Math.round(0.74 * slider.max);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    page.wait_for_timeout(800)
    page.screenshot(path=picture)
    browser.close()
