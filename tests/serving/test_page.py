"""The page in a real browser: Chromium, where it is installed, driven by Playwright."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import srmm
from srmm.serving.application import make_application
from tests.serving.conftest import photo

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
KEY = "a key for the page"

DROP = """(zone, base64) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "photo.png", { type: "image/png" }));
  const event = { dataTransfer: data, bubbles: true, cancelable: true };
  zone.dispatchEvent(new DragEvent("drop", event));
}"""


@pytest.fixture(scope="module")
def address(shop: Path) -> Iterator[str]:
    """Where the application runs, in a thread of this process."""
    import uvicorn

    report = shop / "page-report.json"
    report.write_text(
        '{"format": "srmm-report", "data": {"name": "shop"}, "patterns": ['
        '{"present": ["text"], "n": 15, "accuracy": 0.9, "accuracy_ci": [0.8, 1.0]},'
        '{"present": ["image", "text"], "n": 15, "accuracy": 1.0, "accuracy_ci": [0.9, 1.0]}]}'
    )
    application = make_application(
        srmm.load(shop / "model"),
        report=report,
        store=shop / "model.embeddings",
        root=shop,
        keys=[KEY],
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--use-fake-device-for-media-stream",
                  "--use-fake-ui-for-media-stream"],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page once its key is given; it must ask no other address, and complain of nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Open").click()
    page.wait_for_selector(".card")
    yield page
    # What the server refuses, the browser reports by itself.
    assert [line for line in said if "status of 4" not in line] == []
    assert all(url.startswith((address, "blob:")) for url in asked)
    context.close()


@pytest.mark.workflow
@pytest.mark.skipif(shutil.which("node") is None, reason="has no node")
def test_one_test_row_was_right_and_several_were() -> None:
    script = Path(srmm.__file__).with_name("serving") / "page" / "app.js"
    counted = re.search(r"function counted.*?\n}", script.read_text(encoding="utf-8"), re.DOTALL)
    assert counted is not None
    asked = 'counted(1, "test rows"), counted(15, "training rows, out of fold"), counted(null, "x")'
    code = f"{counted[0]}\nconsole.log([{asked}].join(`|`))"
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "1 test row was|15 training rows, out of fold, were|the x were"


@pytest.mark.workflow
@pytest.mark.skipif(shutil.which("node") is None, reason="has no node")
def test_neighbours_without_any_picture_have_no_empty_frames() -> None:
    script = Path(srmm.__file__).with_name("serving") / "page" / "app.js"
    near = re.search(
        r"async function showNear.*?\n}", script.read_text(encoding="utf-8"), re.DOTALL
    )
    assert near is not None
    code = f"""
const make = (tag, about, ...inner) => `<${{tag}}>` + inner.filter((x) => x != null).join("");
const state = {{ pictures: [] }};
const place = {{ replaceChildren: (...all) => console.log(all.join()) }};
const byId = () => place, picture = () => 0;
{near[0]}
const item = (pictures) => ({{ pictures, texts: {{}}, likeness: -0.02, label: "ball" }});
showNear([item([])]);
showNear([item([]), item(["image"])]);
"""
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    numbers, pictures = said.splitlines()
    assert numbers == "<li><div><b>ball<p>likeness −0.02"
    assert pictures.count("no picture") == 1


def label(page: Any, expected: str) -> None:
    page.wait_for_function(
        "expected => document.querySelector('.label-big')?.textContent === expected", arg=expected
    )


def drop(page: Any, content: bytes) -> None:
    zone = page.locator("[data-modality=image] .drop")
    zone.evaluate(DROP, base64.b64encode(content).decode())


def test_a_photo_is_dropped_and_switched_off_and_the_answer_moves(page: Any) -> None:
    drop(page, photo("red"))
    label(page, "red")
    assert page.locator("[data-modality=image] img").count() == 1
    page.locator("textarea").fill("a blue shoe")
    page.wait_for_selector("tr[data-modality=text] .says")
    page.get_by_role("switch", name="Use image").click()
    label(page, "blue")
    assert page.locator("tr[data-modality=image]").inner_text().split() == ["image", "absent"]
    assert "90.0 % of 15 test rows" in page.locator("#expected").inner_text()
    page.get_by_role("switch", name="Use text").focus()
    page.keyboard.press("Space")
    page.wait_for_selector("#verdict .quiet")
    page.get_by_role("switch", name="Use image").click()
    label(page, "red")
    assert page.locator("#spoken").get_attribute("aria-live") == "polite"
    assert page.locator("#spoken").inner_text().startswith("red, ")


def test_the_nearest_items_are_shown_with_their_pictures(page: Any) -> None:
    page.locator("textarea").fill("a blue shoe")
    page.wait_for_selector("#neighbours img")
    shown = page.locator("#neighbours li").all_inner_texts()
    assert len(shown) == 8
    assert all("blue" in text for text in shown)


def test_what_is_wrong_is_said_where_it_is_wrong(page: Any) -> None:
    drop(page, b"\x89PNG broken")
    alert = page.get_by_role("alert").filter(has_text="nothing to predict from")
    alert.wait_for()
    card = page.locator(".card[data-modality=image]")
    assert card.get_attribute("aria-invalid") == "true"
    assert "Cannot be read" in card.inner_text()
    page.locator("textarea").fill("a red shoe")
    label(page, "red")
    assert not alert.is_visible()
    page.get_by_label("price").fill("cheap")
    page.get_by_text("'cheap'").wait_for()


def test_a_question_taken_back_keeps_nobody_waiting(page: Any) -> None:
    page.route("**/predict*", lambda _: None)  # is never answered
    page.locator("textarea").fill("a red shoe")
    page.wait_for_selector("body.busy")
    page.locator("textarea").fill("")
    page.wait_for_selector("body:not(.busy) #verdict .quiet", timeout=5_000)


def test_one_more_class_is_one(page: Any) -> None:
    found = page.evaluate(
        """() => [1, 2].map((more) => {
          state.model.classes = Array(5 + more).fill("x");
          const one = { label: "x", probability: 0.2 };
          showVerdict({ ...one, probabilities: Array(5).fill(one), notes: [], set: null });
          return document.querySelector("#verdict .aside").textContent;
        })"""
    )
    assert found == ["and 1 more class", "and 2 more classes"]


def test_numbers_and_choices_are_filled_in(page: Any) -> None:
    page.get_by_label("price").fill("52,50")
    page.get_by_label("size").select_option("M")
    label(page, "blue")
    assert page.locator("tr[data-modality=info] .says").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    drop(page, photo("blue"))
    page.locator("textarea").fill("x" * 300)
    page.wait_for_selector("#neighbours img")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    surface = page.locator("#verdict").evaluate("one => getComputedStyle(one).backgroundColor")
    assert surface == {"light": "rgb(255, 255, 255)", "dark": "rgb(26, 30, 38)"}[scheme]
    context.close()


def test_a_sound_is_recorded_as_a_wav(page: Any) -> None:
    """The microphone is Chromium's own, which beeps."""
    head = page.evaluate(
        """async () => {
          const stop = await Sound.record();
          await new Promise((done) => setTimeout(done, 600));
          const blob = await stop();
          const bytes = new Uint8Array(await blob.arrayBuffer());
          const loud = Math.max(...new Int16Array(bytes.buffer, 44));
          return [String.fromCharCode(...bytes.slice(0, 4)), bytes.length, loud];
        }"""
    )
    assert head[0] == "RIFF"
    assert head[1] > 16_000 * 2 * 0.3
    assert head[2] > 100
