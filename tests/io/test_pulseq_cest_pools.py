"""YAML files of pulseq-cest become tissues with pools; broken ones say where and what is due."""

import json
import math
import shutil
import subprocess

import numpy as np
import pytest

from mrjax import lineshapes
from mrjax.io import FileError, read_grid, read_pools

WATER = "water_pool: {f: 1.0, t1: 3.0, t2: 2.0}\n"
AMIDE = "cest_pool: {amide: {f: 1.0e-3, t1: 1.3, t2: 0.1, k: 30, dw: 3.5}}\n"
MT = "mt_pool: {f: 0.1, t1: 1.0, t2: 9.0e-6, k: 25, dw: -3.0, lineshape: SuperLorentzian}\n"
FIELD = "b0: 3\n"


def written(folder, text: str):
    path = folder / "pools.yaml"
    path.write_text(text)
    return path


def test_cest_pools_come_first_and_the_semisolid_last(tmp_path):
    file = read_pools(written(tmp_path, WATER + MT + AMIDE + FIELD))
    amide, semisolid = file.tissue.pools
    assert file.names == ("amide", "mt_pool")
    assert (float(file.tissue.t1), float(file.tissue.t2)) == (3.0, 2.0)
    numbers = ("fraction", "t1", "t2", "exchange_rate", "shift_ppm")
    assert [float(getattr(amide, name)) for name in numbers] == [1e-3, 1.3, 0.1, 30.0, 3.5]
    assert [float(getattr(semisolid, name)) for name in numbers] == [0.1, 1.0, 9e-6, 25.0, -3.0]
    assert amide.lineshape is None
    assert isinstance(semisolid.lineshape, lineshapes.SuperLorentzian)


def test_a_lineshape_has_its_class(tmp_path):
    path = written(tmp_path, WATER + MT + FIELD)
    assert isinstance(
        read_pools(path, legacy_lineshape=True).tissue.pools[0].lineshape, lineshapes.PulseqCestSuperLorentzian
    )
    path = written(tmp_path, WATER + MT.replace("SuperLorentzian", "Lorentzian") + FIELD)
    for legacy in (True, False):
        assert isinstance(read_pools(path, legacy_lineshape=legacy).tissue.pools[0].lineshape, lineshapes.Lorentzian)


def test_what_a_file_leaves_out_is_as_in_pulseq_cest(tmp_path):
    file = read_pools(written(tmp_path, WATER + FIELD))
    assert (file.b0, file.reset, file.magnetisation, file.max_pulse_samples) == (3.0, True, 1.0, 500)
    np.testing.assert_allclose(file.conventions.gyromagnetic_ratio, 267.5153e6, rtol=1e-15)
    assert file.conventions.shape_phase_sign == -1
    assert file.tissue.pools == file.names == ()
    # effects that are absent take no part in the computation
    assert not file.tissue.has("off_resonance")
    assert not file.tissue.has("b1")


def test_settings_are_read(tmp_path):
    settings = "gamma: 267.5\nb0_inhom: 0.3\nrel_b1: 0.9\nreset_init_mag: 0\nscale: 0.5\nmax_pulse_samples: 77\n"
    file = read_pools(written(tmp_path, WATER + FIELD + settings))
    assert (file.reset, file.magnetisation, file.max_pulse_samples) == (False, 0.5, 77)
    assert file.conventions.gyromagnetic_ratio == 267.5e6
    np.testing.assert_allclose(file.tissue.off_resonance, 0.3e-6 * 267.5e6 * 3 / (2 * math.pi), rtol=1e-14)
    assert float(file.tissue.b1) == 0.9


def test_fractions_are_relative_to_the_water(tmp_path):
    file = read_pools(written(tmp_path, WATER.replace("f: 1.0", "f: 0.5") + AMIDE + FIELD))
    assert float(file.tissue.pools[0].fraction) == 2e-3


def test_numbers_that_yaml_takes_for_text_are_read(tmp_path):
    file = read_pools(written(tmp_path, WATER.replace("2.0", "69e-3") + AMIDE.replace("1.0e-3", "1e-3") + FIELD))
    assert float(file.tissue.t2) == 69e-3
    assert float(file.tissue.pools[0].fraction) == 1e-3


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ("apt000_3p_MT_SL", ("amide", "mt_pool")),
        ("apt000_7p_WM", ("amide", "guanidine_1", "amine_1", "OH_1", "NOE_1", "mt_pool")),
        ("apt000_2p_MT_Lor", ("mt_pool",)),
        ("bmsim_case1", ("creatine_gua",)),
        ("bmsim_case7", ("amide", "guanidine_1", "NOE_1", "MT")),
        ("mrf002_3p_larg", ("amide", "mt_pool")),
    ],
)
def test_a_published_file_gives_the_pools_of_the_reference(reference_data, protocol, names):
    meta = json.loads(str(np.load(reference_data(f"cest/protocols/{protocol}.npz"))["meta"]))
    file = read_pools(reference_data("cest/yaml") / meta["yaml"])
    water, *pools = meta["pools"]
    assert file.names == names
    np.testing.assert_allclose([1 / file.tissue.t1, 1 / file.tissue.t2], [water["r1"], water["r2"]], rtol=1e-12)
    for pool, reference in zip(file.tissue.pools, pools, strict=True):
        found = [pool.fraction, 1 / pool.t1, 1 / pool.t2, pool.exchange_rate, pool.shift_ppm]
        np.testing.assert_allclose(found, [reference[key] for key in ("f", "r1", "r2", "k", "dw_ppm")], rtol=1e-12)
        assert pool.is_semisolid == (reference["role"] == "mt")
    assert file.b0 == meta["b0_T"]
    np.testing.assert_allclose(file.conventions.gyromagnetic_ratio, meta["gamma_rad_per_s_per_uT"] * 1e6, rtol=1e-15)
    assert file.magnetisation == meta["scale"]


def test_every_published_file_is_read(reference_data):
    files = sorted(reference_data("cest/yaml").glob("*.yaml"))
    assert len(files) == 13
    for path in files:
        assert read_pools(path).b0 == 3.0


def test_lists_are_the_grid_of_a_dictionary(reference_data):
    path = reference_data("cest/phantom_larg_9p4T/dictionary_subset.yaml")
    grid = read_grid(path)
    np.testing.assert_array_equal(grid["water_pool.t1"], [2.5, 2.7, 2.9, 3.1, 3.3])
    np.testing.assert_array_equal(grid["cest_pool.Amine.k"], np.arange(100, 1381, 40))
    np.testing.assert_array_equal(grid["cest_pool.Amine.dw"], [3.0])
    with pytest.raises(
        FileError, match=r"dictionary_subset\.yaml: water_pool\.t1 is a list; this must be a positive time in s\."
    ):
        read_pools(path)


CHANGED = {
    "no water": (AMIDE + FIELD, ": water_pool is missing; give it f, t1, t2."),
    "no field": (WATER, ": b0 is missing; it must be a positive field in T."),
    "empty": ("# nothing\n", " is empty; a file of pulseq-cest holds water_pool, cest_pool, mt_pool, b0 and others."),
    "a list": (
        "- water_pool\n",
        " must hold keys such as water_pool and their values at its top level, but holds a list.",
    ),
    "a text": ("hello", " must hold keys such as water_pool and their values at its top level, but holds a text."),
    "unknown key": (
        WATER + AMIDE.replace("dw", "shift") + FIELD,
        ": cest_pool.amide has the unknown key 'shift'; it may have f, t1, t2, k, dw.",
    ),
    "key lacking": (
        WATER + AMIDE.replace(", dw: 3.5", "") + FIELD,
        ": cest_pool.amide lacks dw; it must have f, t1, t2, k, dw.",
    ),
    "text": (
        WATER + AMIDE.replace("30", "fast") + FIELD,
        ": cest_pool.amide.k must be a rate in 1/s, zero or more, but is 'fast'.",
    ),
    "truth": (WATER.replace("3.0", "yes") + FIELD, ": water_pool.t1 must be a positive time in s, but is True."),
    "not finite": (WATER.replace("3.0", ".nan") + FIELD, ": water_pool.t1 must be a positive time in s, but is nan."),
    "negative fraction": (
        WATER + AMIDE.replace("1.0e-3", "-1.0e-3") + FIELD,
        ": cest_pool.amide.f must be a fraction of the water's size, zero or more, but is -0.001.",
    ),
    "no water size": (
        WATER.replace("f: 1.0", "f: 0") + FIELD,
        ": water_pool.f must be above zero, since the other fractions are divided by it.",
    ),
    "lineshape": (
        WATER + MT.replace("SuperLorentzian", "Gaussian") + FIELD,
        ": mt_pool.lineshape must be 'Lorentzian' or 'SuperLorentzian', but is 'Gaussian'.",
    ),
    "list": (
        WATER + AMIDE.replace("30", "[30, 40]") + FIELD,
        ": cest_pool.amide.k is a list; this must be a rate in 1/s, zero or more. `read_grid` reads lists.",
    ),
    "pool without keys": (
        WATER + "cest_pool: {amide: 3}\n" + FIELD,
        ": cest_pool.amide must hold keys and their values, but is the number 3.",
    ),
    "reset": (WATER + FIELD + "reset_init_mag: maybe\n", ": reset_init_mag must be True or False, but is 'maybe'."),
    "samples": (
        WATER + FIELD + "max_pulse_samples: 1.5\n",
        ": max_pulse_samples must be a whole number from 1, but is 1.5.",
    ),
    "surplus brace": (
        WATER + MT + "}\n" + FIELD,
        ", line 3: no valid YAML, expected <block end>, but found '}'. A surplus or a missing brace is the usual cause.",
    ),
    "missing brace": (
        WATER + "cest_pool: {amide: {f: 1, t1: 1, t2: 1, k: 1, dw: 1}\n" + FIELD,
        ", line 3: no valid YAML, expected ',' or '}', but got '<scalar>'. A surplus or a missing brace is the usual cause.",
    ),
    "twice": (WATER + "cest_pool:\n  amide: 1\n  amide: 2\n", ", line 4: no valid YAML, the key 'amide' stands twice."),
    "nested": ("[" * 3000, ": no valid YAML, maximum recursion depth exceeded"),  # Python words the rest
    "control character": ("water_pool: \x01", ": no valid YAML, special characters are not allowed."),
}


@pytest.mark.parametrize("fault", CHANGED)
def test_a_broken_file_says_where_and_what_is_due(tmp_path, fault):
    text, sentence = CHANGED[fault]
    path = written(tmp_path, text)
    with pytest.raises(FileError) as caught:
        read_pools(path)
    assert str(caught.value).startswith(f"{path}{sentence}")
    assert fault == "nested" or str(caught.value) == f"{path}{sentence}"


def test_the_surplus_brace_of_a_published_file_is_found(tmp_path, reference_data):
    text = (reference_data("cest/yaml") / "WM_3T_Stanisz2005_2pool_bmsim.yaml").read_text()
    line = text[: text.index("lineshape: 'Lorentzian'\n}")].count("\n") + 3
    path = written(tmp_path, text.replace("lineshape: 'Lorentzian'\n}\n", "lineshape: 'Lorentzian'\n}\n}\n"))
    with pytest.raises(FileError, match=rf"pools\.yaml, line {line}: no valid YAML, .* A surplus or a missing brace"):
        read_pools(path)


def test_a_latin_1_file_says_how_to_convert_it(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(("# 2 µT\n" + WATER + AMIDE.replace("amide", "µ") + FIELD).encode("latin-1"))
    sentence = (
        f"{path}, line 3: byte 0xb5 is not UTF-8. Older files of pulseq-cest-library are Latin-1; convert it: "
        "`iconv -f latin1 -t utf-8 old.yaml > new.yaml`."
    )
    with pytest.raises(FileError) as caught:
        read_pools(path)
    assert str(caught.value) == sentence
    if shutil.which("iconv"):
        converted = subprocess.run(
            ["iconv", "-f", "latin1", "-t", "utf-8", path], capture_output=True, check=True
        ).stdout
        assert read_pools(written(tmp_path, converted.decode())).b0 == 3.0


def test_a_file_that_is_missing_says_so(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.yaml does not exist or is no file; check the path\."):
        read_pools(tmp_path / "nowhere.yaml")
