"""How far two readers of the same cells agree; nothing here looks at a clock or a store."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hematovision.differential import Measure
from hematovision.services.counting import share_of
from hematovision.services.pairs import Kappa, kappa_of


@dataclass(frozen=True, slots=True)
class OfClass:
    """One class as two readers see it.

    Attributes:
        code: Of its label.
        first: Cells that the first calls so.
        second: Cells that the second calls so.
        both: Cells that both call so.
        agreed: Of the cells that either calls so, the share that both do, in %.
        first_share: Of all white cells of the first, in %, with limits; None where it is none.
        second_share: The same of the second.
    """

    code: str
    first: int
    second: int
    both: int
    agreed: Measure | None
    first_share: Measure | None
    second_share: Measure | None

    @property
    def is_discordant(self) -> bool:
        """Whether the second's share lies outside the exact limits of the first's (Rümke, 1985).

        Two counts of one film differ within these limits by chance alone.
        """
        first, second = self.first_share, self.second_share
        return bool(first and second and not first.low <= second.value <= first.high)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers of the same cells.

    Attributes:
        number: Cells of which both said something.
        same: The share that both call the same, in %; None where there are no cells.
        kappa: None where both call all cells the same one name, or there are none.
        classes: Each class that either of them names, the most frequent first.
    """

    number: int
    same: Measure | None
    kappa: Kappa | None
    classes: tuple[OfClass, ...]


def agreement_of(pairs: Sequence[tuple[str, str]], white: Collection[str]) -> Agreement:
    """Compare two readers.

    Args:
        pairs: What the first and the second call each cell.
        white: The labels of the hundred.
    """
    both = Counter(first for first, second in pairs if first == second)
    firsts, seconds = (Counter(pair[place] for pair in pairs) for place in (0, 1))
    counted = [sum(count[code] for code in white) for count in (firsts, seconds)]
    found = firsts + seconds
    return Agreement(
        number=len(pairs),
        same=share_of(sum(both.values()), len(pairs)),
        kappa=kappa_of(Counter(pairs)),
        classes=tuple(
            OfClass(
                code,
                firsts[code],
                seconds[code],
                both[code],
                share_of(both[code], found[code] - both[code]),
                share_of(firsts[code], counted[0]) if code in white else None,
                share_of(seconds[code], counted[1]) if code in white else None,
            )
            for code, _ in found.most_common()
        ),
    )
