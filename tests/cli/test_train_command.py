"""`mrjax train` and `mrjax evaluate`: they know systems and methods by name, and nothing of any task."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mrjax.cli
from mrjax.cli import main
from mrjax.zoo import fingerprints, registry, runs

TINY = {"n_repetitions": "40", "n_states": "6", "batch_size": "8", "steps": "3"}
pytestmark = pytest.mark.filterwarnings("ignore:.*truncates")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A training by the command, and what it printed."""
    folder = tmp_path_factory.mktemp("blochnet")
    settings = [f"{key}={value}" for key, value in TINY.items()]
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("COLUMNS", "1000")  # no line is broken
        assert main(["train", "blochnet", "--set", *settings, "--out", str(folder)]) == 0
    return folder, printed.getvalue()


@pytest.mark.exhaustive
def test_the_model_card_is_kept_and_printed(folder):
    folder, printed = folder
    card = (folder / "card.md").read_text()
    assert printed.endswith(f"{card}\nKept in {folder}; `mrjax evaluate {folder}` scores it.\n")
    assert card.startswith("# blochnet: fully connected encoder, exact phase-graph decoder\n")
    weights = 40 * 40 + 40 + 40 * 300 + 300 + 300 * 300 + 300 + 300 * 2 + 2
    assert f"\n- Weights: {weights:,}\n" in card
    assert "simulated fingerprints of the published FISP schedule, 40 repetitions" in card


@pytest.mark.slow
def test_the_printed_score_is_that_of_the_maps(folder, tmp_path, capsys):
    folder, _ = folder
    truth = {"t1": np.array([1.0, 0.7], np.float32), "t2": np.array([0.1, 0.005], np.float32)}
    np.savez(tmp_path / "maps.npz", **truth)
    assert main(["evaluate", str(folder), "--maps", str(tmp_path / "maps.npz")]) == 0
    printed = re.findall(r"[0-9.]+e[+-][0-9]+", capsys.readouterr().out)
    system, config, network = runs.load(folder)
    found = runs.estimator(system, network)(fingerprints.simulated(fingerprints.fisp_decoder(config), truth))
    error = np.mean([np.log10(found[name] / truth[name]) ** 2 for name in truth], axis=0)
    np.testing.assert_allclose([float(number) for number in printed], [error.mean(), error[0]], rtol=2e-3)


@pytest.mark.exhaustive
def test_the_options_of_a_task_are_its_own(folder, capsys):
    folder, _ = folder
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(folder), "--images", "3"])  # of another task
    assert end.value.code == 2
    assert f"mrjax evaluate {folder}: error: unrecognized arguments: --images 3" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(folder), "--help"])
    assert end.value.code == 0
    assert "--refine" in capsys.readouterr().out


@pytest.mark.exhaustive
def test_help_lists_all_systems_without_importing_flax():
    code = (
        "import sys; from mrjax.cli import main\n"
        "try: main(['train', '--help'])\n"
        "finally: assert 'flax' not in sys.modules"
    )
    help = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    listed = re.search(r"Train one of (.*?)\.\n", help.replace("\n", " ").replace(".  ", ".\n"))
    assert listed is not None, help
    assert listed[1].split(", ") == list(registry.system_names())


@pytest.mark.parametrize("file", ["cli/train.py", "zoo/runs.py", "zoo/system.py", "zoo/registry.py"])
def test_no_task_is_known_beside_the_tasks(file):
    text = (Path(mrjax.cli.__file__).parents[1] / file).read_text()
    assert not re.search(r"fingerprint(?!s import)|FISP|\bT1\b|\bT2\b|\bt1\b|\bt2\b|[Dd]ecoder", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "alexnet"], "blochnet, deepqsm, dopamine, drone, hydra, loas, lpcnn, mantis"),
        (["train", "alexnet"], ", but got 'alexnet'"),
        (["train", "dictionary_matching"], "dictionary_matching has nothing to train; `mrjax evaluate dictionary_"),
        (["train", "blochnet", "--preset", "huge"], "The preset must be one of paper, smoke, but got 'huge'"),
        (["train", "blochnet", "--set", "depth=3"], "blochnet has no setting 'depth'"),
        (["train", "blochnet", "--set", "steps=many"], "`steps` must be a whole number, but got 'many'"),
        (["train", "blochnet", "--set", "seed=-1"], "`seed` must not be negative, but got -1"),
        (["train", "blochnet", "--set", "reconstruction_weight=nan"], "`reconstruction_weight` must be finite"),
        (["train", "hydra", "--set", "narrowing=0"], "`narrowing` must be 1, 2, 4 or 8, but got 0"),
        (["train", "blochnet", "--set", "steps"], "--set takes NAME=VALUE"),
        (["train", "mrf_autoencoders", "--set", "variant=lstm"], "`variant` must be one of fc, rnn"),
        (["train", "t2_denoiser", "--set", "n_echoes=1"], "`n_echoes` must be at least 2"),
        (["evaluate", "nowhere"], "nowhere holds no finished training"),
    ],
)
def test_wrong_commands_end_with_one_sentence(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--t1", "t1.nii"], "--t1 and --t2 must be given together"),
        (["--maps", "maps.npz", "--t1", "t1.nii", "--t2", "t2.nii"], "Give either --maps or --t1 and --t2"),
    ],
)
def test_options_that_do_not_go_together(folder, capsys, options, message):
    assert main(["evaluate", str(folder[0]), *options]) == 2
    assert message in capsys.readouterr().err
