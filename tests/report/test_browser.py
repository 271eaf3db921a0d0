"""The page in a real Chromium: its numbers are Python's, clicks work, nothing is requested, and names stay
text."""
import json
import shutil
import time

import numpy as np
import pytest
from pages import (
    ATTACKS, MODELS, QUIET, as_json, differences, first, learner, models, named, of_kinds, questions, three)

from deletion import gradient_model
from deletion.influence import metagradient
from deletion.report import report
from deletion.trust.verdict import percent

SETS = 1000

HOME, END, UP, DOWN, TAB, SPACE, CONTROL = "\ue011\ue010\ue013\ue015\ue004\ue00d\ue009"
"""Keys, as WebDriver writes them; CONTROL is pressed until it comes again."""


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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Three measurements of a gradient model and one of a sketch, with influence over time."""
    of = models("groups") + models("dense")
    gradient = metagradient(learner(), three, by_step=True, **QUIET)
    return report(of, tmp_path_factory.mktemp("page") / "page.html", names=[f"number {k}" for k in range(6)],
                  title="Sixty units", over_time=[gradient, gradient])


@pytest.fixture
def opened(browser, page):
    driver = browser.open(page)
    yield driver
    assert browser.errors() == []
    assert browser.requests() == [page.as_uri()]


def css(driver, selector):
    return driver.find_elements("css selector", selector)


def one(driver, selector):
    return driver.find_element("css selector", selector)


def write(driver, selector, text):
    """Replace an input's text by typing."""
    one(driver, selector).send_keys(CONTROL + "a" + CONTROL + text)


def numbers(driver, selector):
    """The numbers, to all digits, that stand in an element."""
    return [float(found.get_attribute("value")) for found in css(driver, f"{selector} data")]


def names(driver, selector):
    return [found.text for found in css(driver, f"{selector} bdi")]


def settled(driver):
    """Wait until everything is drawn."""
    driver.execute_async_script("requestAnimationFrame(() => setTimeout(() => setTimeout(arguments[0])))")


# numbers ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", MODELS)
def test_1000_sets_are_predicted_as_python_does(name, browser, tmp_path):
    path = report(models(name), tmp_path / "page.html")
    driver, units = browser.open(path), models(name)[0].learner.unit_count
    h = np.concatenate([questions(units, SETS - 200, seed=1), of_kinds(units, 200)])
    answers = driver.execute_script("return arguments[0].map(set => predict(...set))", as_json(h))
    for model, of_model in zip(models(name), zip(*answers)):
        worst, other = differences(model, h, of_model)
        assert worst < 1e-9 and not other
    assert browser.errors() == [] and browser.requests() == [path.as_uri()]


def test_numbers_are_written_as_python_writes_them(opened):
    rng = np.random.default_rng(3)
    given = [*(10.0 ** rng.uniform(-12, 12, 500) * rng.choice([-1.0, 1.0], 500)), 0.0, 0.5, 12.25, 12.75,
             0.125, 2.5, 3.5, 99.95, 999.5, 1e-5, 0.0001, 1e22, 9.9999e-5, 100.0, 1e300, 5e-324, np.inf]
    plain = [str(x).replace("inf", "Infinity") for x in given]
    for digits in (1, 2, 3, 6):
        told = opened.execute_script("return arguments[0].map(x => numbers.general(Number(x), arguments[1]))",
                                     plain, digits)
        assert told == [f"{x:.{digits}g}" for x in given]
    shares = [0.0123, 0.125, 0.35, 0.9949, 0.995, 1.005, 1.015, 4.805, 0.0]
    told = opened.execute_script("return arguments[0].map(numbers.percent)", shares)
    assert told == list(map(percent, shares))


@pytest.mark.parametrize("name, least, high", [("levels", 0.0, "1"), ("dense", -1.0, "2")])
def test_any_downweight_is_predicted(browser, tmp_path, name, least, high):
    """The arithmetic takes what predict_downweights takes; the controls go as far as weights may."""
    path, units = report(models(name), tmp_path / "page.html"), models(name)[0].learner.unit_count
    rng = np.random.default_rng(4)
    h = np.maximum(rng.normal(size=(100, units)), least) * (rng.random((100, units)) < 0.2)
    opened = browser.open(path)
    answers = opened.execute_script("return arguments[0].map(set => predict(...set))", as_json(h))
    worst, other = differences(models(name)[0], h, list(zip(*answers))[0])
    assert worst < 1e-9 and not other
    assert one(opened, "#weight").get_attribute("max") == high


# clicks -----------------------------------------------------------------------------------------------------

def test_units_are_found_and_clicked(opened):
    assert opened.title == "Sixty units" == one(opened, "h1").text
    assert one(opened, "#without").text == "Nothing is deleted yet: choose units to delete."
    for unit in ("7", "12"):
        write(opened, "#search", unit)
        assert names(opened, "#list")[0] == unit
        css(opened, "#list input")[0].click()
    assert names(opened, "#chosen") == ["7", "12"] and one(opened, "#without").text == "Without 7, 12:"
    expected = models("groups")[0].predict([7, 12])
    shown = numbers(opened, "#answer")
    right = [expected.value[0], models("groups")[0].value[0], expected.change[0], expected.interval[0][0],
             expected.interval[1][0]]
    assert np.allclose(shown, right, rtol=1e-12, atol=0.0)
    assert one(opened, "#answer .verdict").text == expected.verdict == "trust"
    assert one(opened, "#reason").text == expected.reasons[0]
    css(opened, "#chosen button")[0].click()
    assert names(opened, "#chosen") == ["12"]
    one(opened, "#none").click()
    assert names(opened, "#chosen") == [] and numbers(opened, "#answer")[2] == 0.0


def test_all_that_is_found_can_be_chosen(opened):
    write(opened, "#search", "5")
    found = [k for k in range(60) if "5" in str(k)]
    assert one(opened, "#found").text == f"{len(found)} units found"
    one(opened, "#all").click()
    expected = models("groups")[0].predict(found)
    assert np.isclose(numbers(opened, "#answer")[0], expected.value[0], rtol=1e-12)
    assert one(opened, "#answer .verdict").text == expected.verdict
    write(opened, "#search", "nobody")
    assert one(opened, "#found").text == "0 units found" and not one(opened, "#all").is_enabled()
    one(opened, "#none").click()


def test_measurements_stand_side_by_side(opened):
    write(opened, "#search", "31")
    css(opened, "#list input")[0].click()
    groups, dense = (models(name)[0].predict([31]) for name in ("groups", "dense"))
    shown = np.reshape(numbers(opened, "tbody"), (6, 5))
    for rows, prediction, name in ((shown[:3], groups, "groups"), (shown[3:], dense, "dense")):
        model = models(name)[0]
        right = np.stack([model.value, prediction.value, prediction.change, *prediction.interval], axis=1)
        assert np.allclose(rows, right, rtol=1e-12, atol=1e-15)
    css(opened, "tbody button")[4].click()
    assert one(opened, "#answer h3").text == "number 4"
    assert np.isclose(numbers(opened, "#answer")[0], dense.value[1], rtol=1e-12)
    assert opened.switch_to.active_element.text == "number 4"


def test_the_weight_follows_slider_and_number(opened):
    write(opened, "#search", "31")
    css(opened, "#list input")[0].click()
    model = models("groups")[0]
    for weight in ("0.5", "0.125", "1", "0"):
        write(opened, "#weight", weight)
        expected = model.predict([31], weight=float(weight))
        assert np.isclose(numbers(opened, "#answer")[0], expected.value[0], rtol=1e-12)
        assert float(one(opened, "#slider").get_attribute("value")) == float(weight)
    write(opened, "#weight", "7")      # more than the controls allow
    assert np.isclose(numbers(opened, "#answer")[0], model.value[0], rtol=1e-12)
    one(opened, "#slider").send_keys(HOME)
    assert np.isclose(numbers(opened, "#answer")[0], model.predict([31]).value[0], rtol=1e-12)


def test_influential_units_are_those_of_leave_one_out(opened):
    settled(opened)
    change = models("groups")[0].leave_one_out().change[:, 0]
    order = np.argsort(change)
    assert names(opened, "#up") == [str(i) for i in order[::-1][:8] if change[i] > 0]
    assert names(opened, "#down") == [str(i) for i in order[:8] if change[i] < 0]
    assert np.allclose(numbers(opened, "#up"), np.sort(change)[::-1][:8], rtol=1e-11)
    css(opened, "#up button")[0].click()
    settled(opened)
    assert names(opened, "#chosen") == [str(order[-1])]
    assert opened.switch_to.active_element.get_attribute("data-unit") == str(order[-1])
    one(opened, "#order option[value=most]").click()
    assert names(opened, "#list")[0] == str(np.abs(change).argmax())


def test_partners_are_those_of_the_model(opened):
    for unit in ("3", "44"):
        write(opened, "#search", unit)
        css(opened, "#list input")[0].click()
    settled(opened)
    partners = models("groups")[0].partners([3, 44], 60)
    partners.sort(key=lambda pair: -abs(pair[1][0]))
    assert names(opened, "#with") == [str(unit) for unit, _ in partners[:8]]
    assert np.allclose(numbers(opened, "#with"), [change[0] for _, change in partners[:8]], rtol=1e-11)


def test_partners_of_a_sketch_are_differences_of_predictions(opened):
    css(opened, "tbody button")[3].click()
    write(opened, "#search", "3")
    css(opened, "#list input")[0].click()
    settled(opened)
    change = models("dense")[0].predict_many([[3], *([3, k] for k in range(60) if k != 3)]).change[:, 0]
    alone = models("dense")[0].leave_one_out().change[:, 0]
    others = np.delete(np.arange(60), 3)
    more = change[1:] - change[0] - alone[others]
    order = np.argsort(-np.abs(more))[:8]
    assert np.allclose(numbers(opened, "#with"), more[order], rtol=1e-9, atol=1e-15)
    assert names(opened, "#with") == [str(k) for k in others[order]]


def test_charts_are_drawn(opened):
    write(opened, "#search", "31")
    css(opened, "#list input")[0].click()
    settled(opened)
    assert len(css(opened, "#calibration circle.point")) == 96
    for chart in ("#curve", "#calibration", "#time", "#strip"):
        box = one(opened, f"{chart} svg")
        assert box.size["width"] > 200 and "31" in box.get_attribute("aria-label") or chart == "#calibration"
    assert "NaN" not in opened.page_source.split('id="content"')[0]


# for everyone -----------------------------------------------------------------------------------------------

def test_every_control_has_a_name_and_the_answer_is_spoken(opened):
    write(opened, "#search", "31")
    css(opened, "#list input")[0].click()
    settled(opened)
    for control in css(opened, "button, input, select, svg[role=img], section"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    time.sleep(0.4)
    status = one(opened, "#status")
    assert status.aria_role == "status" and status.get_attribute("aria-live") == "polite"
    assert status.get_attribute("textContent").startswith("Without 31: number 0 ")
    assert "Verdict: trust." in status.get_attribute("textContent")


def test_the_keyboard_is_enough(opened):
    def press(key):
        opened.switch_to.active_element.send_keys(key)

    one(opened, "body").send_keys(TAB)
    assert opened.switch_to.active_element.get_attribute("class") == "skip"
    press(TAB)
    assert opened.switch_to.active_element.get_attribute("id") == "search"
    press("31")
    while opened.switch_to.active_element.get_attribute("type") != "checkbox":
        press(TAB)
    press(SPACE)
    assert names(opened, "#chosen") == ["31"]
    assert opened.switch_to.active_element.is_selected()
    one(opened, "#search").send_keys(CONTROL + "a" + CONTROL + "1", TAB)
    press(TAB)
    for key, name in ((DOWN, "10"), (DOWN, "11"), (UP, "10"), (END, "51"), (HOME, "1")):
        press(key)
        assert opened.switch_to.active_element.get_attribute("value") == name
    press(TAB)
    assert opened.switch_to.active_element.get_attribute("id") == "all"


def test_phone_dark_and_print(browser, opened):
    write(opened, "#search", "31")
    css(opened, "#list input")[0].click()
    light = one(opened, "body").value_of_css_property("background-color")
    browser.emulate(360)
    settled(opened)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
    browser.emulate(1280, scheme="dark")
    assert one(opened, "body").value_of_css_property("background-color") != light
    browser.emulate(1280, media="print")
    assert not one(opened, ".units").is_displayed() and one(opened, "#answer").is_displayed()
    assert names(opened, "#chosen") == ["31"]


# strangers --------------------------------------------------------------------------------------------------

def test_names_stay_text(browser, tmp_path):
    evil = gradient_model(named(), first, levels=(), **QUIET)
    path = report(evil, tmp_path / "evil.html", names=[ATTACKS[0]], title=ATTACKS[1],
                  over_time=[metagradient(evil.learner, first, by_step=True, **QUIET)])
    driver = browser.open(path)
    one(driver, "#all").click()
    settled(driver)
    time.sleep(0.3)
    assert driver.execute_script("return typeof attacked") == "undefined"
    assert driver.title == one(driver, "h1").text == ATTACKS[1]
    found = "img, b, script:not([id]), [onload], [onerror], [onfocus]"
    assert len(css(driver, found)) == 1      # the page's own script
    text = driver.execute_script(
        "return JSON.stringify([...document.querySelectorAll('#list bdi')].map(x => x.textContent))")
    assert json.loads(text)[:len(ATTACKS)] == ATTACKS
    assert one(driver, "#answer h3").text == ATTACKS[0]
    for name in ("__proto__", "<!--<script>"):
        write(driver, "#search", name)
        assert names(driver, "#list") == [name]
    assert browser.errors() == [] and browser.requests() == [path.as_uri()]


def test_the_policy_stops_what_would_be_markup(browser, page):
    driver = browser.open(page)
    done = driver.execute_async_script("""
        const done = arguments[0];
        document.body.insertAdjacentHTML("beforeend", "<img src=http://127.0.0.1:9 onerror='attacked = 1'>");
        const script = document.createElement("script");
        script.textContent = "attacked = 2";
        document.body.append(script);
        fetch("http://127.0.0.1:9/").then(() => "sent", () => "stopped").then(how =>
          setTimeout(() => done([how, typeof attacked]), 200));""")
    assert done == ["stopped", "undefined"]
    assert all("Content Security Policy" in message for message in browser.errors())
