"""A real JupyterLab in headless Chromium: notebooks opened, run and clicked as a learner does it.

Skipped with one line where there is no Chromium. Screenshots go to the folder that COURSE_SCREENSHOTS names, if it is set.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from course_utils.settings import ROOT

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")]
RUN_ALL = "() => { window.__done = false; window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.__done = true; }); }"
IDLE = (
    "() => { const w = window.jupyterapp && window.jupyterapp.shell.currentWidget; "
    "return w && w.sessionContext && w.sessionContext.session && w.sessionContext.session.kernel "
    "&& w.sessionContext.session.kernel.status === 'idle' }"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab over a copy of the notebooks; yields (address, token)."""
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", place / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    settings = place / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(place / "config"),
        "JUPYTER_DATA_DIR": str(place / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(place / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place / "workspaces"),
        "COURSE_OUTPUTS": str(place / "outputs"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={place}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    with open(place / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=2)
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail((place / "lab.log").read_text()[-2000:])
        yield address, token
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        running = p.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        yield running
        running.close()


class Opened:
    """A notebook open in the browser, with what went wrong on the page."""

    def __init__(self, browser, lab, name: str):
        address, token = lab
        self.page = browser.new_page(viewport={"width": 1300, "height": 1000})
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.name = name
        self.page.on("pageerror", lambda e: self.errors.append(str(e)[:300]))
        self.page.on("request", self._note)
        self.page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?token={token}&reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
        self.page.wait_for_function(IDLE, timeout=90_000)

    def _note(self, request) -> None:
        if "127.0.0.1" not in request.url and not request.url.startswith(("data:", "blob:")):
            self.outside.append(request.url[:150])

    def run_all(self) -> None:
        self.page.evaluate(RUN_ALL)

    def wait(self, seconds: float = 400) -> None:
        self.page.wait_for_function("() => window.__done", timeout=1000 * seconds)

    def headings(self) -> None:
        """A picture of each part, when pictures are wanted."""
        for k, heading in enumerate(self.page.locator(".jp-Notebook h2").all()):
            heading.evaluate("node => node.scrollIntoView({block: 'start'})")
            self.page.wait_for_timeout(500)
            self.picture(f"part{k}")

    def nothing_went_wrong(self) -> None:
        stderr = ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']"
        assert self.page.locator(stderr).count() == 0
        assert self.errors == []
        assert self.outside == []

    def picture(self, name: str) -> None:
        folder = os.environ.get("COURSE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{folder}/{self.name}-{name}.png")


def test_00_start_here(browser, lab):
    opened = Opened(browser, lab, "00_start_here")
    page = opened.page
    opened.picture("opened")
    began = time.monotonic()
    opened.run_all()
    both = page.locator(".jp-OutputArea-output:has-text('the graduate'):has-text('the specialist')").first
    both.wait_for(state="attached", timeout=120_000)
    seconds = time.monotonic() - began
    opened.wait()
    print(f"both answers on screen after {seconds:.1f} s; all cells after {time.monotonic() - began:.1f} s")
    assert seconds < (30 if not os.environ.get("PYTEST_XDIST_WORKER") else 180)  # beside other tests the cores are shared
    opened.headings()

    box = page.locator(".jupyter-widgets input[type=text]").first
    box.scroll_into_view_if_needed()
    box.fill("Which form do I need for parental leave? <img src=x onerror=alert(1)>")
    box.press("Tab")
    page.locator("button.jupyter-button:has-text('Ask both')").first.click()
    page.locator(".jupyter-widgets:has-text('the specialist'):has-text('likeness')").first.wait_for(timeout=60_000)
    opened.picture("asked")
    assert page.locator(".jupyter-widgets img[src=x]").count() == 0

    choice = page.locator(".jupyter-widgets .widget-radio-box input").nth(1)
    choice.scroll_into_view_if_needed()
    choice.check()
    page.locator(".jupyter-widgets :text('Right:')").first.wait_for(timeout=30_000)
    opened.picture("quiz")
    opened.nothing_went_wrong()


def test_01_base_vs_fine_tuned(browser, lab):
    opened = Opened(browser, lab, "01_base_vs_fine_tuned")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    assert page.locator("img[alt^='Company questions answered right']").count() == 1

    choices = page.locator(".jupyter-widgets .widget-radio-box input")
    choices.first.scroll_into_view_if_needed()
    choices.nth(0).check()  # round 1: A is the specialist's
    choices.nth(4).check()  # round 1: send neither
    opened.picture("voted")
    tally = page.locator(".jp-CodeCell:has-text('vote.tally()')")
    tally.locator(".jp-Editor").click()
    page.keyboard.press("Shift+Enter")
    tally.locator(".jp-OutputArea-output:has-text('of 1 rounds')").wait_for(timeout=30_000)
    tally.scroll_into_view_if_needed()
    opened.picture("tallied")
    opened.nothing_went_wrong()


def test_03_collect_company_data(browser, lab):
    opened = Opened(browser, lab, "03_collect_company_data")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    pictures = page.locator(".jp-OutputArea-output img[alt]")
    assert pictures.count() == 6
    assert page.locator(".jp-OutputArea-output table th:has-text('owner')").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('Exercise 03.3, not attempted')").count() >= 1
    opened.nothing_went_wrong()


def test_04_prepare_training_data(browser, lab):
    opened = Opened(browser, lab, "04_prepare_training_data")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    assert page.locator(".jp-OutputArea-output img[alt]").count() == 4
    assert page.locator(".jp-OutputArea-output table th:has-text('missed')").count() == 3
    assert page.locator(".jp-OutputArea-output h1:has-text('Data card')").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('Exercise 04.3, not attempted')").count() >= 1
    opened.nothing_went_wrong()


def test_05_what_the_model_sees(browser, lab):
    opened = Opened(browser, lab, "05_what_the_model_sees")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    assert page.locator(".jp-OutputArea-output span[style*='underline']").count() > 5
    assert page.locator(".jp-OutputArea-output img[alt^='How long training examples are']").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('largest difference')").count() >= 2
    opened.nothing_went_wrong()


@pytest.mark.timeout(1500)  # with a busy second core it takes several times as long as alone
def test_06_train_a_small_model(browser, lab):
    opened = Opened(browser, lab, "06_train_a_small_model")
    page = opened.page
    opened.run_all()
    live = page.locator(".jupyter-widgets:has-text('tokens a second'):has-text('seconds left')").first
    live.wait_for(timeout=400_000)  # the run can be watched while it goes on
    page.locator(".jupyter-widgets li:has-text('step')").first.wait_for(timeout=300_000)  # and the model is heard
    live.scroll_into_view_if_needed()
    opened.picture("live")
    opened.wait(900)
    opened.headings()
    assert page.locator("img[alt^='Loss while training']").count() == 2
    assert page.locator("img[alt^='Learning rate']").count() == 1
    assert page.locator("img[alt^='What each fault costs']").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('going on from')").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('FAULT  mask on the wrong words')").count() == 1
    opened.nothing_went_wrong()


def test_02_cheaper_things_first(browser, lab):
    opened = Opened(browser, lab, "02_cheaper_things_first")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    assert page.locator("img[alt^='Ways to company answers']").count() == 1
    assert page.locator("img[alt^='Company questions answered right, frozen test']").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('10 working days of leave')").count() >= 1
    opened.nothing_went_wrong()


def test_07_test_and_validate(browser, lab):
    opened = Opened(browser, lab, "07_test_and_validate")
    page = opened.page
    opened.run_all()
    opened.wait()
    opened.headings()
    assert page.locator("img[alt^='Who obeys a stray instruction']").count() == 1
    assert page.locator(".jp-OutputArea-output:has-text('thresholds passed')").count() >= 1
    choices = page.locator(".jupyter-widgets .widget-radio-box input")
    choices.first.scroll_into_view_if_needed()
    choices.nth(0).check()
    choices.nth(4).check()
    opened.picture("voted")
    few = page.locator(".jupyter-widgets:has-text('I only have 40 questions') input[type=checkbox]").first
    few.check()
    page.locator(".jupyter-widgets:has-text('cannot tell with 40')").first.wait_for(timeout=30_000)
    few.scroll_into_view_if_needed()
    opened.picture("few")
    opened.nothing_went_wrong()
