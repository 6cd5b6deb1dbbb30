"""Groups of things that are joined by pairs."""

from collections.abc import Iterable


def group_pairs(number: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Give things that are joined by a chain of pairs the same group.

    Args:
        number: How many things there are.
        pairs: Indices of two that belong together.

    Returns:
        One group number each: the index of the group's first.
    """
    groups = list(range(number))

    def first(one: int) -> int:
        while groups[one] != one:
            groups[one] = groups[groups[one]]
            one = groups[one]
        return one

    for one, other in pairs:
        low, high = sorted((first(one), first(other)))
        groups[high] = low
    return [first(one) for one in range(number)]
