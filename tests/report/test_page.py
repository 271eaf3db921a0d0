"""What a page holds: coefficients, sizes, names that cannot become markup, and its policy."""
import base64
import json
import re
import shutil
import subprocess
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest
from learners import logistic
from pages import (
    ATTACKS, MODELS, QUIET, as_json, block, content, differences, first, learner, models, named,
    of_kinds, questions,
    sketch, three)

from deletion import LearnerError, Measured, cotangents, gradient_model, pairs, precompute
from deletion.cli.commands import run
from deletion.cli.recipe import make
from deletion.influence import metagradient
from deletion.models.gradient_model import Estimator, GradientModel
from deletion.models.interactions import Interactions
from deletion.models.levels import Level, Levels
from deletion.predictions.additive import Additive
from deletion.report import report
from deletion.report.page import SCRIPTS, part
from deletion.trust.calibration import Calibration, sets_of

UNITS, MEASUREMENTS = 1000, 20


@pytest.fixture(scope="module")
def many():
    """A learner of 1,000 units."""
    return logistic(n=UNITS, steps=2)


def calibrated(many, rng):
    downweights = sets_of(many, 96, 0)
    return Calibration(downweights, rng.normal(size=(96, MEASUREMENTS)), np.zeros(96, int))


def of_pairs(many, rng):
    """A measured sketch of pairs, with random numbers: 1,000 units and 20 measurements."""
    directions = pairs(UNITS // 2, np.arange(UNITS), 3, 0)
    coefficients = rng.normal(size=(UNITS // 2, 3, MEASUREMENTS)) + 1j
    return Measured(many, directions, rng.normal(size=MEASUREMENTS), coefficients, np.zeros(UNITS),
                    calibrated(many, rng), progress=False)


def of_groups(many, rng, groups):
    """A gradient model of as many groups and two levels, with random numbers."""
    used, one = many.used, (UNITS, MEASUREMENTS)
    interactions = Interactions(np.arange(UNITS) % groups, rng.normal(size=(UNITS, groups, MEASUREMENTS)))
    levels = [Level(share, rng.normal(size=one), rng.normal(size=MEASUREMENTS), 0.5) for share in (0.05, 0.2)]
    estimator = Estimator(Additive("random", rng.normal(size=one), rng.normal(size=one)),
                          Levels(levels, interactions, used), "random")
    return GradientModel(many, rng.normal(size=MEASUREMENTS), estimator, calibrated(many, rng), False)


# sizes and coefficients -------------------------------------------------------------------------------------

def test_pairs_of_1000_units_and_20_measurements_take_at_most_5_mb(many, rng, tmp_path):
    path = report(of_pairs(many, rng), tmp_path / "page.html")
    assert path.stat().st_size < 2_000_000


def test_16_groups_of_1000_units_and_20_measurements_take_at_most_5_mb(many, rng, tmp_path):
    path = report(of_groups(many, rng, 16), tmp_path / "page.html")
    assert 3_000_000 < path.stat().st_size < 5_000_000
    assert content(path)["size"] == f"{path.stat().st_size / 1e6:.3g} MB"


def test_a_page_of_more_than_30_mb_is_refused_with_its_size(many, rng, tmp_path):
    model = of_groups(many, rng, 150)
    with pytest.raises(LearnerError, match=r"page would take 3\d(\.\d)? MB, and a page takes at most 30 MB"):
        report(model, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_every_number_is_the_models_own(tmp_path):
    model, = models("groups")
    stored = content(report(model, tmp_path / "page.html"))
    facts, levels = stored["models"][0], model.estimator().levels
    assert np.array_equal(facts["value"], model.value)
    assert np.array_equal(facts["estimator"]["additive"]["finite"], model.estimator().additive.finite.ravel())
    assert np.array_equal(facts["estimator"]["interactions"]["a"], levels.interactions.a.ravel())
    squares = facts["calibrations"][0]["squares"]
    typical = facts["calibrations"][0]["typical"]
    assert np.allclose(typical["level"] * squares[:, None] ** typical["power"],
                       model.calibrated.typical(squares), rtol=1e-13, atol=0.0)


def test_equal_arrays_are_stored_once(tmp_path):
    model, = models("dense")
    one, two = (report([model] * count, tmp_path / f"{count}.html").stat().st_size for count in (1, 2))
    assert two < one + 5_000


def test_steps_of_each_unit_add_up_to_its_gradient(tmp_path):
    gradient = metagradient(learner(), three, by_step=True, **QUIET)
    path = report(models("finite steps"), tmp_path / "page.html", over_time=[gradient])
    stored, = content(path)["overTime"]
    slopes = stored["slopes"].reshape(-1, 3)
    for unit in (0, 31, 59):
        own = slice(stored["starts"][unit], stored["starts"][unit + 1])
        assert np.array_equal(stored["when"][own], np.arange(40))
        assert np.allclose(slopes[own].sum(axis=0), gradient.gradient[unit], rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
@pytest.mark.parametrize("name", MODELS)
def test_the_scripts_predict_as_python_does(name, tmp_path):
    """The same in a browser: test_browser.py. Here it runs without one."""
    path = report(models(name), tmp_path / "page.html")
    units = models(name)[0].learner.unit_count
    h = np.concatenate([questions(units, 100), of_kinds(units, 100)])
    (tmp_path / "in.json").write_text(json.dumps(
        {"content": block(path, "content"), "numbers": block(path, "coefficients"), "sets": as_json(h)}))
    (tmp_path / "run.js").write_text("\n".join(map(part, SCRIPTS[:4])) + """
        const given = JSON.parse(require("fs").readFileSync(process.argv[2]));
        const bytes = Uint8Array.from(Buffer.from(given.numbers, "base64")).buffer;
        const models = predictions.models(predictions.revived(given.content, bytes));
        console.log(JSON.stringify(given.sets.map(([units, values]) => models.map(model => {
          const made = model.predict({units, values}), plain = x => x && Array.from(x);
          const [value, low, high] = [made.value, made.low, made.high].map(plain);
          const {verdict, reason, part} = made;
          return {value, low, high, verdict, reason, kind: part && part.kind};
        }))));""")
    told = subprocess.run(["node", "run.js", "in.json"], cwd=tmp_path, capture_output=True, check=True).stdout
    for model, answers in zip(models(name), zip(*json.loads(told))):
        worst, other = differences(model, h, answers)
        assert worst < 1e-9 and not other


def test_sets_of_declared_kinds_are_among_those_compared():
    model = models("declared")[0]
    assert set(model.predict_downweights(of_kinds(60, 200)).kind) == {"random", "class", "topic", "time"}


# names and policy -------------------------------------------------------------------------------------------

class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, path):
        super().__init__()
        self.found = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, attributes))


def test_names_never_become_markup(tmp_path):
    evil = gradient_model(named(), first, levels=(), **QUIET)
    harmless = report(models("finite steps"), tmp_path / "harmless.html")
    path = report(evil, tmp_path / "evil.html", names=[ATTACKS[0]], title=ATTACKS[1])
    without_policy = [element for element in Elements(path).found if element[0] != "meta"]
    assert without_policy == [element for element in Elements(harmless).found if element[0] != "meta"]
    stored = content(path)
    assert stored["units"][:len(ATTACKS)] == ATTACKS
    assert stored["names"] == ATTACKS[:1] and stored["title"] == ATTACKS[1]
    assert not set("<>&") & set(block(path, "content"))


def test_the_policy_allows_only_the_pages_own_script_and_style(tmp_path):
    path = report(models("finite steps"), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', text).group(1)
    inside = [re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL).group(1) for tag in ("script", "style")]
    script, style = (base64.b64encode(sha256(x.encode()).digest()).decode() for x in inside)
    assert policy == (f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; "
                      "base-uri 'none'; form-action 'none'")
    assert not re.search(r"\bsrc=|\bhref=\"(?!#)|url\(|@import|\beval\(|innerHTML|insertAdjacent", text)
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}


# what is refused --------------------------------------------------------------------------------------------

def test_what_makes_no_page_is_refused(tmp_path):
    model, = models("finite steps")
    path = tmp_path / "page.html"
    with pytest.raises(LearnerError, match="a report shows measured sketches and gradient models"):
        report(sketch(30), path)
    with pytest.raises(LearnerError, match="at least one"):
        report([], path)
    with pytest.raises(LearnerError, match="a report's models are of one learner"):
        report([model, models("levels")[0]], path)
    with pytest.raises(LearnerError, match="expected one for each of 3 measured numbers, got 1"):
        report(model, path, names=["a"])
    with pytest.raises(LearnerError, match="the name of a measurement is a text"):
        report(model, path, names=["a", "b", 3])
    with pytest.raises(LearnerError, match="a page's title is a text, not None"):
        report(model, path, title=None)
    with pytest.raises(LearnerError, match="between 0 and 1"):
        report(model, path, level=95)
    assert not path.exists()


def test_metagradients_that_do_not_fit_are_refused(tmp_path):
    model, = models("finite steps")
    for over_time, message in (([], "a metagradient for each of 1 models, got 0"),
                               (metagradient(learner(), three, **QUIET), "at ordinary weights"),
                               (metagradient(learner(), first, by_step=True, **QUIET), "as trained"),
                               ([3], "by_step=True")):
        with pytest.raises(LearnerError, match=message):
            report(model, tmp_path / "page.html", over_time=over_time)


def test_a_sketch_around_another_point_has_no_page(tmp_path):
    away = sketch(30, downweight=np.full(60, 0.5)).measure(first, progress=False)
    with pytest.raises(LearnerError, match="made with a downweight"):
        report(away, tmp_path / "page.html")


# the command line -------------------------------------------------------------------------------------------

def test_the_command_writes_a_page(tmp_path, capsys):
    folder, page = str(tmp_path / "sketch"), tmp_path / "page.html"
    assert run(["precompute", "--steps", "40", "--directions", "24", "--out", folder, "--quiet"]) == 0
    capsys.readouterr()
    asked = ["report", folder, "--measure", "loss:max", "--measure", "loss:anna", "--out", str(page)]
    assert run([*asked, "--json", "--over-time", "--title", "Names"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["measurements"] == ["loss:max", "loss:anna"] and told["bytes"] == page.stat().st_size
    stored = content(page)
    assert stored["title"] == "Names" and len(stored["units"]) == told["units"]
    assert [one["steps"] for one in stored["overTime"]] == [40, 40]
    assert run(asked) == 0 and "page.html: " in capsys.readouterr().out


def test_the_command_takes_cotangents(tmp_path, capsys):
    few = make("microgpt:names", steps=40)
    panel = cotangents(few, few.loss_on("anna"))
    precompute(few, panel, calibration=8, out=tmp_path / "sketch", **QUIET)
    folder, page = str(tmp_path / "sketch"), tmp_path / "page.html"
    assert run(["report", folder, "--measure", "loss:anna", "--out", str(page), "--quiet"]) == 0
    stored, = content(page)["models"]
    assert stored["source"] == "cotangents" and stored["estimator"]["kind"] == "additive"


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    assert run(["report", str(tmp_path), "--measure", "loss:max", "--out", str(tmp_path / "page.html")]) == 2
    assert "sketch: error:" in capsys.readouterr().err
