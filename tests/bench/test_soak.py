"""A long run counts every wrong answer and says what memory did between its first tenth and its end."""

from hwflow.bench import soak


def test_a_long_run_counts_what_is_wrong_and_shows_memory_that_grows(monkeypatch):
    held = iter(range(100_000_000, 200_000_000, 1_000_000))
    monkeypatch.setattr(soak, "resident", lambda: next(held))
    asked = []

    def wrong(n):
        asked.append(n)
        return int(len(asked) == 3)

    row = soak._soak("C", 95, 5, wrong, lambda _: None)
    assert asked == [5] * 19 and (row["images"], row["wrong"]) == (95, 1)
    memory = [row[k] for k in ("memory after a tenth, MB", "after half, MB", "at the end, MB")]
    assert memory == [101, 109, 118], "one megabyte a call"
    assert soak._soak("C", 7, 5, lambda n: n, lambda _: None)["wrong"] == 7
