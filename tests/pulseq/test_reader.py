"""Pulseq files of every version are read without being expanded, and damaged ones say what is wrong and where."""

import gzip
import hashlib
import pickle
import random
import tracemalloc
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from costs import calls_of

from mrjax.pulseq import PulseqError, Shape, Trapezoid, Version, read
from mrjax.pulseq.shapes import decompressed, from_samples

IMAGING = [
    "seq1", "seq3", "seq5", "seq_make_sinc_pulses", "simple_mprage120", "simple_mprage131", "simple_mprage141",
    "simple_mprage150", "write_epi", "write_epi_label", "write_gre", "write_gre_label_softdelay", "write_radial_gre",
    "write_tse",
]  # fmt: skip

SMALL = """\
[VERSION]
major 1
minor 3
revision 1
[DEFINITIONS]
B0 3
Name small file
Trec_M0 NaN
[BLOCKS]
1 1 0 0 0 0 0 0
2 0 1 0 0 0 0 1
3 0 0 1 0 1 0 0
4 0 0 2 0 0 0 0
5 0 0 0 0 0 1 0
[RF]
1 85.1528 1 2 100 447.05 1.5
[GRADIENTS]
2 1000 3 20
[TRAP]
1 -1.5e6 1000 4500 1000 7
[ADC]
1 64 5000 30 -1 0.5
[DELAYS]
1 3500000
[EXTENSIONS]
1 2 1 0
extension LABELSET 2
1 5 LIN
[SHAPES]
shape_id 1
num_samples 2000030
1
0
0
1999997
-1
0
0
27
shape_id 2
num_samples 2000030
0
0
2000028
shape_id 3
num_samples 4
0.25
0.25
2
[MY_OWN]
free text
"""


def written(folder, text: str, name: str = "file.seq") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def read_quietly(path):
    """A file that may have been edited after it was signed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not the one in .SIGNATURE.*")
        return read(path)


def test_every_section_is_read_in_si_units(tmp_path):
    file = read(written(tmp_path, SMALL))
    assert file.version == Version(1, 3, "1")
    assert file.definitions["B0"] == (3.0,)
    assert file.definitions["Name"] == "small file"
    assert np.isnan(file.definitions["Trec_M0"][0])
    rf = file.rf[1]
    assert (rf.amplitude, rf.delay, rf.frequency, rf.phase) == (85.1528, 1e-4, 447.05, 1.5)
    assert (rf.magnitude_shape, rf.phase_shape, rf.time_shape) == (1, 2, 0)
    assert file.trapezoids[1] == Trapezoid(-1.5e6, 1e-3, 4.5e-3, 1e-3, 7e-6)
    assert (file.gradients[2].amplitude, file.gradients[2].shape, file.gradients[2].delay) == (1000, 3, 20e-6)
    adc = file.adc[1]
    assert (adc.n_samples, adc.dwell, adc.delay, adc.frequency, adc.phase) == (64, 5e-6, 30e-6, -1, 0.5)
    assert file.delays == {1: 3.5}
    assert (file.extensions[1].type, file.extensions[1].reference, file.extensions[1].next) == (2, 1, 0)
    assert file.extension_specifications[2].name == "LABELSET"
    assert file.extension_specifications[2].rows == {1: ("5", "LIN")}
    assert file.other == {"MY_OWN": "free text"}
    second = file.blocks[1]
    assert (second.delay, second.rf, second.gx, second.gy, second.gz, second.adc, second.extension) == (
        0,
        1,
        0,
        0,
        0,
        0,
        1,
    )


def test_before_version_4_a_block_lasts_as_long_as_its_longest_event(tmp_path):
    durations = [block.duration for block in read(written(tmp_path, SMALL)).blocks]
    np.testing.assert_allclose(durations, [3.5, 1e-4 + 2.00003, 6.507e-3, 20e-6 + 4e-5, 30e-6 + 64 * 5e-6], rtol=1e-14)


def test_a_block_pulse_stays_one_run(tmp_path):
    shape = read(written(tmp_path, SMALL)).shapes[1]
    assert list(shape.runs()) == [(1.0, 2000000), (0.0, 30)]
    assert shape.n_samples == 2000030
    np.testing.assert_array_equal(shape.samples()[[0, 1999999, 2000000, 2000029]], [1, 1, 0, 0])


@pytest.mark.parametrize("name", IMAGING)
def test_the_blocks_of_a_file_last_as_long_as_it_says(reference_data, name):
    file = read(reference_data(f"pulseq/{name}.seq"))
    assert file.blocks
    if "TotalDuration" in file.definitions:
        np.testing.assert_allclose(file.duration, file.definitions["TotalDuration"][0], rtol=1e-9)


def test_one_sequence_reads_alike_in_four_versions(reference_data):
    files = [read(reference_data(f"pulseq/simple_mprage{version}.seq")) for version in (120, 131, 141, 150)]
    assert [file.version.minor for file in files] == [2, 3, 4, 5]
    for file in files:
        assert len(file.blocks) == len(files[0].blocks)
        assert [block.adc for block in file.blocks] == [block.adc for block in files[0].blocks]
        # trapezoids of no amplitude have other ramps in version 1.2
        shaped = [{i: trap for i, trap in f.trapezoids.items() if trap.amplitude} for f in (file, files[0])]
        assert shaped[0] == shaped[1]
        assert file.adc == files[0].adc
        assert [rf.phase for rf in file.rf.values()] == [rf.phase for rf in files[0].rf.values()]
    newest = files[-1]
    assert (newest.rf[1].use, newest.rf[2].use, newest.rf[1].center) == ("i", "e", 5e-3)
    assert newest.gradients[6].first == 0.0
    assert newest.gradients[6].time_shape == 7
    # the inversion pulse of 10 ms was written sample by sample in 1.3 and with two times from 1.4
    assert next(files[1].shapes[1].runs()) == (1.0, 10000)
    assert list(files[2].shapes[3].samples()) == [0, 10000]
    # since 1.3 every block lasts as long, whether it was computed from its events or read
    for file in files[2:]:
        np.testing.assert_allclose(
            [block.duration for block in file.blocks],
            [block.duration for block in files[1].blocks],
            rtol=0,
            atol=1.1e-5,
        )


def test_labels_triggers_and_soft_delays_are_kept(reference_data):
    file = read(reference_data("pulseq/write_epi_label.seq"))
    names = {kind: specification.name for kind, specification in file.extension_specifications.items()}
    assert names == {1: "TRIGGERS", 2: "LABELSET", 3: "LABELINC"}
    assert file.extension_specifications[1].rows[1] == ("2", "1", "0", "2000")
    assert file.extensions[2].next == 1
    soft = read(reference_data("pulseq/write_gre_label_softdelay.seq")).extension_specifications[2]
    assert soft.name == "DELAYS"
    assert soft.rows[2] == ("0", "8000", "-1", "TE")


def test_a_packed_file_and_windows_line_ends_read_alike(tmp_path):
    plain = read(written(tmp_path, SMALL))
    packed = tmp_path / "file.seq.gz"
    packed.write_bytes(gzip.compress(SMALL.encode()))
    windows = tmp_path / "windows.seq"
    windows.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read(packed).blocks == read(windows).blocks == plain.blocks


def test_a_revision_may_be_text(tmp_path, reference_data):
    assert str(read(written(tmp_path, SMALL.replace("revision 1", "revision 1post1"))).version) == "1.3.1post1"
    assert str(read(reference_data("cest/seq/loas_mtc_40.seq.gz")).version) == "1.3.1post1"


def signed(text: str) -> str:
    return f"{text}\n[SIGNATURE]\nType md5\nHash {hashlib.md5(text.encode()).hexdigest()}\n"


def test_a_signature_is_checked(tmp_path):
    file = read(written(tmp_path, signed(SMALL)))
    assert file.signature == ("md5", hashlib.md5(SMALL.encode()).hexdigest())
    windows = tmp_path / "windows.seq"
    windows.write_bytes(signed(SMALL).replace("\n", "\r\n").encode())
    read(windows)
    edited = written(tmp_path, signed(SMALL).replace("3500000", "3400000"))
    with pytest.warns(UserWarning, match=r"file\.seq: its md5 is not the one in \[SIGNATURE\]; the file was changed"):
        assert read(edited).delays == {1: 3.4}


@pytest.mark.parametrize("samples", [[1.0, 1, 1, 1], [0.0, 0.25, 0.5, 0.5, 0.5, 0.0], [0.5], [0.1, -0.1, 0.3]])
def test_compression_is_undone(samples):
    samples = np.array(samples)
    steps = np.diff(samples, prepend=0.0)
    stored, position = [], 0
    while position < len(steps):
        n = 1
        while position + n < len(steps) and steps[position + n] == steps[position]:
            n += 1
        stored += [steps[position]] if n == 1 else [steps[position], steps[position], n - 2]
        position += n
    shape = decompressed(np.array(stored), len(samples), plain_allowed=False)
    np.testing.assert_allclose(shape.samples(), samples, atol=1e-15)
    assert np.all(np.diff(shape.values) != 0)


def test_a_shape_that_would_not_shrink_stands_as_it_is_from_version_4():
    stored = np.array([0.1, 0.2, 0.2])
    np.testing.assert_array_equal(decompressed(stored, 3, plain_allowed=True).samples(), stored)
    with pytest.raises(
        ValueError, match=r"its 3 numbers do not decompress to num_samples 3: they end|after two that are equal a count"
    ):
        decompressed(stored, 3, plain_allowed=False)


def test_a_shape_too_long_to_be_written_out_says_so():
    shape = Shape(np.ones(1), np.array([10**9]))
    with pytest.raises(ValueError, match=r"A shape of 1000000000 samples is too long to be written out; go through"):
        shape.samples()
    assert from_samples(np.zeros(5)).n_samples == 5


def without(section: str) -> str:
    """The small file without a section."""
    start = SMALL.index(f"[{section}]")
    end = SMALL.index("\n[", start) + 1
    return SMALL[:start] + SMALL[end:]


DAMAGED = {
    "no version": (without("VERSION"), 47, "section [VERSION] is missing; every Pulseq file has one. The file ends there"),
    "no blocks": (without("BLOCKS"), 45, "section [BLOCKS] is missing; every Pulseq file has one. The file ends there"),
    "no RF": (without("RF"), 11, "rf refers to id 1, which is not in [RF], a section that is missing."),
    "no shapes": (without("SHAPES"), 16, "magnitude_shape refers to id 1, which is not in [SHAPES], a section that is missing."),
    "no gradient": (SMALL.replace("3 0 0 1", "3 0 0 9"), 12, "gx refers to id 9, which is not in [GRADIENTS] or [TRAP]."),
    "future": (SMALL.replace("minor 3", "minor 7"), 1, "version 1.7.1 of the format is not known; known are 1.2 to 1.5."),
    "half a version": (SMALL.replace("minor 3\n", ""), 1, "[VERSION] must hold minor and its number, as in 'minor 1'."),
    "columns": (
        SMALL.replace("447.05 1.5", "447.05"), 16,
        "a row of [RF] must have 7 columns (id, amplitude, magnitude_shape, phase_shape, delay, frequency, phase), but this "
        "has 6.",
    ),
    "word": (SMALL.replace("85.1528", "85,1528"), 16, "'85,1528' is not a number."),
    "nan": (SMALL.replace("85.1528", "nan"), 16, "'nan' is not finite, or above 1e+15, too large to be plausible."),
    "half an id": (SMALL.replace("1 3500000", "1.5 3500000"), 24, "id in [DELAYS] must be a whole number from 0, but is 1.5."),
    "negative time": (SMALL.replace("3500000", "-1"), 24, "delay in [DELAYS] must be a number from 0, but is -1."),
    "id 0": (SMALL.replace("1 3500000", "0 3500000"), 24, "an id must be 1 or more; 0 stands for no event."),
    "twice": (SMALL.replace("1 3500000", "1 5\n1 6"), 25, "id 1 stands there a second time, after line 24."),
    "shared id": (SMALL.replace("1 -1.5e6", "2 -1.5e6"), 20, "id 2 of [TRAP] is in [GRADIENTS] too; they share their ids."),
    "section twice": (SMALL + "[RF]\n", 52, "section [RF] stands there a second time, after line 15."),
    "heading": (SMALL.replace("[DELAYS]", "[DELAYS"), 23, "a heading such as [BLOCKS] is due, but got '[DELAYS'."),
    "no heading": ("hello\n", 1, "a section such as [VERSION] must come first, but got 'hello'."),
    "count": (
        SMALL.replace("num_samples 2000030\n1", "num_samples 2000031\n1"), 39,
        "shape 1 (line 30): its 8 numbers decompress to 2000030 samples, but num_samples is 2000031.",
    ),
    "absurd count": (
        SMALL.replace("num_samples 4", "num_samples 999999999999"), 49,
        "shape 3 (line 45): num_samples is 999999999999, more than the 10000000000 that are plausible.",
    ),
    "absurd ramp": (
        SMALL.replace("num_samples 4\n0.25\n0.25\n2", "num_samples 900000002\n0.25\n0.25\n900000000"), 49,
        "shape 3 (line 45): more than 4194304 of its samples differ from the one before, too many to be plausible.",
    ),
    "phase length": (
        SMALL.replace("2000030\n0\n0\n2000028", "2000029\n0\n0\n2000027"), 16,
        "magnitude_shape 1 has 2000030 samples, but phase_shape 2 has 2000029; they must have as many.",
    ),
    "no magnitude": (SMALL.replace("85.1528 1 2", "85.1528 0 2"), 16, "magnitude_shape of an RF event must be the id of a shape"),
    "extension": (SMALL.replace("1 2 1 0", "1 4 1 0"), 26, "type refers to id 4, which is not in [EXTENSIONS]."),
    "label": (SMALL.replace("1 2 1 0", "1 2 9 0"), 26, "reference is 9, which extension LABELSET does not have."),
    "endless list": (SMALL.replace("1 2 1 0", "1 2 1 1"), 25, "the list of extensions that starts at id 1 never ends."),
    "raster": (SMALL.replace("minor 3", "minor 4"), 5, "[DEFINITIONS] lacks RadiofrequencyRasterTime, which version 1.4"),
    "empty": ("", 1, "section [VERSION] is missing; every Pulseq file has one. The file ends there; it may be truncated."),
    "signature": (SMALL + "[SIGNATURE]\nType md5\n", 52, "[SIGNATURE] must hold a Type, such as md5, and a Hash."),
}  # fmt: skip


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_file_names_line_and_cause(tmp_path, fault):
    text, line, cause = DAMAGED[fault]
    with pytest.raises(PulseqError) as caught:
        read(written(tmp_path, text))
    assert caught.value.line == line
    assert cause in caught.value.cause
    assert str(caught.value).startswith(f"{tmp_path / 'file.seq'}, line {line}: ")


def test_a_file_that_is_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "latin.seq"
    path.write_bytes(SMALL.replace("small file", "Größe").encode("latin-1"))
    with pytest.raises(PulseqError, match=r"latin\.seq, line 7: byte 0xf6 is not UTF-8; save the file as UTF-8"):
        read(path)


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(PulseqError, match=r"nowhere\.seq: it does not exist or is no file; check the path\."):
        read(tmp_path / "nowhere.seq")
    packed = tmp_path / "half.seq.gz"
    packed.write_bytes(gzip.compress(SMALL.encode())[:-30])
    with pytest.raises(PulseqError, match=r"half\.seq\.gz: it cannot be read: it is truncated or damaged"):
        read(packed)


def test_an_error_survives_the_way_to_another_process(tmp_path):
    error = pickle.loads(pickle.dumps(PulseqError("file.seq", 3, "it is broken.")))
    assert str(error) == "file.seq, line 3: it is broken."


MOST_CALLS = 10
"""For each byte of a file, whatever is wrong with it."""

WORDS = ["0", "-1", "x", "1.5", "nan", "99999", "1e308", "999999999999", "", "2"]


def mutated(data: bytes, kind: str, rng: random.Random) -> bytes:
    """One damage to a file."""
    if kind == "truncated":
        return data[: int(len(data) * rng.uniform(0.02, 0.9))]
    if kind == "garbled":
        damaged = bytearray(data)
        for _ in range(3):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(damaged)
    lines = data.split(b"\n")
    rows = [i for i, line in enumerate(lines) if line[:1].isdigit() or line.lstrip()[:1].isdigit()]
    at = rng.choice(rows)
    if kind == "a line lost":
        del lines[at]
    elif kind == "a line doubled":
        lines.insert(at, lines[at])
    else:
        words = lines[at].split()
        words[rng.randrange(len(words))] = rng.choice(WORDS).encode()
        lines[at] = b" ".join(words)
    return b"\n".join(lines)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["truncated", "garbled", "a line lost", "a line doubled", "a number changed"])
def test_damage_of_any_kind_gives_a_pulseq_error_or_a_file(tmp_path, reference_data, kind):
    rng = random.Random(kind)
    originals = [
        reference_data(f"pulseq/{name}.seq") for name in ("seq1", "seq3", "seq5", "simple_mprage120", "write_tse")
    ]
    originals += sorted(reference_data("cest/seq").glob("*.seq"))[:4]
    refused = []

    def attempted(path):
        try:
            read_quietly(path)
        except PulseqError as error:
            refused.append(error)

    for n in range(48):
        path = tmp_path / f"{n}.seq"
        path.write_bytes(mutated(originals[n % len(originals)].read_bytes(), kind, rng))
        assert calls_of(partial(attempted, path)) < MOST_CALLS * len(path.read_bytes())
    assert all(error.line is not None and error.cause.endswith(".") for error in refused)
    # a number may become another that is as good, and three bytes may fall into comments
    assert len(refused) == 48 if kind == "truncated" else len(refused) > 20


@pytest.mark.exhaustive
def test_twice_the_blocks_take_twice_the_work_to_read(tmp_path, reference_data):
    text = reference_data("pulseq/write_tse.seq").read_text().split("[SIGNATURE]")[0]
    start = text.index("[BLOCKS]\n") + len("[BLOCKS]\n")
    end = text.index("\n\n", start) + 1
    rows = text[start:end].splitlines() * 29

    def calls(n: int) -> int:
        path = written(tmp_path, text[:start] + "\n".join(rows[:n]) + "\n" + text[end:], f"{n}.seq")
        assert len(read(path).blocks) == n
        return calls_of(lambda: read(path))

    none, some, more = calls(1), calls(5_000), calls(10_000)
    assert more - none < 2.1 * (some - none)
    assert more - none < 20 * 10_000


def test_a_small_file_of_long_pulses_needs_little_memory(reference_data):
    tracemalloc.start()
    file = read(reference_data("cest/seq/case_1_create_seq.seq"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.shapes[1].n_samples == 15_000_030
    assert peak < 20e6
