"""The figures of the table, from the rounds."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of some values, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values):
        return cls(median(values), min(values), max(values)) if values else None


class Figures:
    """What the rounds say of each server under each load."""

    def __init__(self, rounds):
        self.rounds = rounds

    def samples(self, server, load):
        return [each[server][load] for each in self.rounds if load in each.get(server, ())]

    def spread(self, server, load, key):
        return Spread.of([each[key] for each in self.samples(server, load)])

    def total(self, server, load, key):
        return sum(each[key] for each in self.samples(server, load))

    def ratio(self, server, baseline, load):
        """The CPU time of a reply against the baseline's in the same round."""
        return Spread.of(
            [
                each[server][load]["cpu_ns"] / each[baseline][load]["cpu_ns"]
                for each in self.rounds
                if server in each and baseline in each
            ]
        )
