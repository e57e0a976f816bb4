"""What was measured, as tables; and which rows of the goal are reached."""

import json
from dataclasses import asdict, dataclass

AT_MOST, AT_LEAST = "≤", "≥"


@dataclass
class Row:
    what: str
    yardstick: str
    value: float
    bound: str  # AT_MOST or AT_LEAST
    target: float
    unit: str  # "x" for a ratio

    @property
    def reached(self):
        return self.value <= self.target if self.bound == AT_MOST else self.value >= self.target


class Report:
    def __init__(self):
        self.rows = []
        self.samples = {}
        self.notes = []

    def at_most(self, what, yardstick, value, target, unit="x"):
        self.rows.append(Row(what, yardstick, value, AT_MOST, target, unit))

    def at_least(self, what, yardstick, value, target, unit="x"):
        self.rows.append(Row(what, yardstick, value, AT_LEAST, target, unit))

    def note(self, text):
        """Something measured that no goal is set for."""
        self.notes.append(text)

    def table(self, title, contenders):
        """One line a contender: medians, the largest peak, and how many runs counted."""
        self.samples[title] = {c.name: [asdict(s) for s in c.samples] for c in contenders}
        width = max(len(contender.name) for contender in contenders)
        print(f"\n{title}\n{'':{width}}   wall s   CPU s  peak MB  stored MB  quiet runs")
        for contender in contenders:
            quiet = f"{len(contender.quiet())}/{len(contender.samples)}"
            print(f"{contender.name:{width}} {contender.median('wall_s'):8.2f}"
                  f" {contender.median('cpu_s'):7.2f} {contender.peak_mb():8.1f}"
                  f" {contender.median('stored_mb'):10.0f}  {quiet:>10}", flush=True)

    def finish(self, path):
        cells = [("what", "yardstick", "measured", "to reach", "")]
        for row in self.rows:
            cells.append((row.what, row.yardstick, f"{row.value:.3g} {row.unit}",
                          f"{row.bound} {row.target:g} {row.unit}",
                          "reached" if row.reached else "NOT REACHED"))
        widths = [max(len(line[i]) for line in cells) for i in range(5)]
        print("\nWhat to reach")
        for line in cells:
            print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths)).rstrip())
        for note in self.notes:
            print(f"  {note}")
        reached = sum(row.reached for row in self.rows)
        print(f"\n{reached} of {len(self.rows)} rows reached")
        rows = [{**asdict(row), "reached": row.reached} for row in self.rows]
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"rows": rows, "notes": self.notes, "samples": self.samples}, out, indent=1)
