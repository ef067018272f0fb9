"""The order of the rooms: who may import whom, no circles, no name with two meanings, nothing too long to read."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = (
    *("signals", "encoding", "phantoms", "sequence", "pulseq", "protocols", "physics", "io", "reconstruction"),
    *("inverse", "synthesis", "plot", "nn", "design", "zoo", "cli"),
)
"""Rooms above units, tissue and the like; each imports from those before it alone."""

PHYSICS = (
    *("maths", "state", "lowered", "gradient", "loop", "engine", "execution", "waveforms"),
    *("slice_profile", "motion", "transmit", "imaging", "epg", "isochromats", "pools", "pdg", "simulation"),
    "steady_state",
    "acquisition",
)
"""The rooms within physics, of which the same holds."""

LONGEST_MODULE, LONGEST_FUNCTION = 300, 36


@pytest.fixture(scope="module")
def counts():
    """The script that counts."""
    specification = importlib.util.spec_from_file_location("count_structure", ROOT / "scripts" / "count_structure.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trees(counts):
    return counts.modules(ROOT)


def above(order, room, other):
    """Whether a room must not be imported by another; what the order does not name lies below all."""
    return other in order and (room not in order or order.index(other) > order.index(room))


def test_rooms_import_from_those_below_them_alone(counts, trees):
    upward = []
    for module, imported in counts.imports(trees).items():
        for other in imported:
            room, other_room = (f"{name}..".split(".")[1] for name in (module, other))
            if room and above(ORDER, room, other_room):
                upward.append((module, other))
    assert not upward


def test_the_edges_of_jax_know_nothing_of_mr(counts, trees):
    edges = [name for name in trees if name.startswith("mrjax.jax_rules")]
    assert edges
    imported = {other for name in edges for other in counts.imports(trees)[name]}
    assert {name for name in imported if not name.startswith("mrjax.jax_rules")} == set()


def test_rooms_of_physics_import_from_those_below_them_alone(counts, trees):
    upward = []
    for module, imported in counts.imports(trees).items():
        for other in imported:
            if not (module.startswith("mrjax.physics.") and other.startswith("mrjax.physics.")):
                continue
            room, other_room = (name.split(".")[2] for name in (module, other))
            if room in PHYSICS and above(PHYSICS, room, other_room):
                upward.append((module, other))
    assert not upward


def test_no_modules_import_each_other(counts, trees):
    assert counts.circles(counts.imports(trees)) == []


def test_circles_are_found(counts):
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert counts.circles(graph) == [["a", "b", "c"]]


def test_a_class_name_has_one_meaning(counts, trees):
    assert counts.classes_of_one_name(trees) == {}


def test_modules_and_functions_can_be_read_at_one_go(counts, trees):
    functions = {name: n for name, n in counts.functions(trees).items() if n > LONGEST_FUNCTION}
    assert functions == {}
    files = {file: len(file.read_text().splitlines()) for file in (ROOT / "mrjax").rglob("*.py")}
    assert {file.name: n for file, n in files.items() if n > LONGEST_MODULE} == {}


def test_no_two_test_files_share_a_name():
    """pytest imports them by their names alone."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
