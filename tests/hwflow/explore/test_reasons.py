"""Why designs are not feasible, as values and in words."""

from __future__ import annotations

from hwflow.explore.reasons import counted, refused, rendered, short


def test_reasons_are_counted_by_what_is_short() -> None:
    lut4, multipliers = short("lut4", 60_000, 54_000, 83_640), short("multipliers", 200, 156, 156)
    room = refused("network", "54,712 words, no room")
    found = [{"reasons": each} for each in ([lut4], [multipliers], [lut4, multipliers], [room], [])]
    assert counted(found) == [("part lut4", 2), ("network", 1), ("part multipliers", 1)]


def test_reasons_in_words() -> None:
    limits = short("lut4", 60_000, 54_000, 83_640), short("multipliers", 200, 156, 156)
    assert [rendered(each) for each in limits] == [
        "part: 60,000 lut4, 54,000 of 83,640 may be taken",
        "part: 200 multipliers, 156 may be taken",
    ]
    assert rendered(refused("energy", "no such bank")) == "energy: no such bank"
