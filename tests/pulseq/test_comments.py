"""Comments of a Pulseq file may follow values, and need not be UTF-8."""

import pytest

from mrjax.pulseq import PulseqError, read

TEXT = """\
# B1 in µT
[VERSION]
major 1 # of the format
minor 3
revision 1
[DEFINITIONS]
B0 3 # T
offsets_ppm -3.5 3.5 # ppm, für zwei
M0_offset # none
Name scan #3
[BLOCKS]
1 0 1 0 0 0 0 0 # the pulse
2 0 0 0 0 0 1 0
3 0 1 0 0 0 0 0
4 0 0 0 0 0 1 0
[RF]
1 100 1 0 0 447.05 0
[ADC]
1 1 1000 0 0 0
[SHAPES]
shape_id 1 # a block
num_samples 1000 # 1 ms
1
0
0
997 # more
"""


def test_comments_follow_values_and_may_be_latin_1(tmp_path):
    path = tmp_path / "file.seq"
    path.write_bytes(TEXT.encode("latin-1"))
    file = read(path)
    assert (str(file.version), file.definitions["B0"]) == ("1.3.1", (3.0,))
    assert file.definitions["offsets_ppm"] == (-3.5, 3.5)
    assert file.definitions["Name"] == "scan #3"
    assert file.definitions["M0_offset"] == ""
    assert (file.shapes[1].n_samples, len(file.blocks)) == (1000, 4)


def test_other_bytes_that_are_not_utf8_are_counted_from_the_start_of_the_file(tmp_path):
    path = tmp_path / "file.seq"
    path.write_bytes(TEXT.replace("scan #3", "Größe").encode("latin-1"))
    with pytest.raises(PulseqError, match=r"file\.seq, line 10: byte 0xf6 is not UTF-8; save the file as UTF-8"):
        read(path)
