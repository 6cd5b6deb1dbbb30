"""How far a share of counted cells can be trusted: exact binomial limits.

It lies below services and learning, for both need it: the differential of a case shows the limits
of every share, and the evaluation of a model those of its scores. SciPy has it too, but a
laboratory's server does not carry SciPy; a test compares both.
"""

import math
from collections.abc import Callable
from functools import lru_cache

TAIL = 0.025
"""What is left out at each end: the limits hold in 95 of 100 counts."""
HALVINGS = 32
STEPS = 1000
TINY = 1e-300


@lru_cache(maxsize=10_000)
def exact_limits(hits: float, number: float) -> tuple[float, float]:
    """Give the exact 95 % limits of a share (Clopper and Pearson, 1934).

    Args:
        hits: How often it was so; a part of one, where a count is thought on at today's share.
        number: How often it could have been; more than none.
    """
    low = 0.0 if not hits else _solve(lambda p: at_least(hits, number, p))
    high = 1.0 if hits == number else 1 - _solve(lambda p: at_least(number - hits, number, p))
    return low, high


def at_least(hits: float, number: float, share: float) -> float:
    """Give the chance of so many hits or more, where each is a hit with a chance of `share`.

    The binomial tail is the regularised incomplete beta function I(share; hits, number - hits + 1),
    here as a continued fraction (Abramowitz and Stegun, 1964, 26.5.24 and 26.5.8), which takes
    parts of a hit too.

    Args:
        hits: More than none.
        number: How many there are.
        share: Between 0 and 1.
    """
    if share <= 0 or share >= 1:
        return float(share >= 1)
    misses = number - hits + 1
    # The fraction converges fast on this side of the mean; the other side is its rest.
    if share > (hits + 1) / (number + 3):
        return 1 - _tail(misses, hits, 1 - share)
    return _tail(hits, misses, share)


def _tail(a: float, b: float, x: float) -> float:
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """Sum the continued fraction from its head (Lentz, 1976)."""
    whole = upper = 1.0
    lower = 0.0
    for step in range(1, STEPS):
        m = step // 2
        if step % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + part * lower) or TINY)
        upper = (1 + part / upper) or TINY
        whole *= upper * lower
        if abs(upper * lower - 1) < 1e-14:
            break
    return whole


def _solve(chance: Callable[[float], float]) -> float:
    """Find the share at which a rising chance reaches the tail."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < TAIL else (low, middle)
    return (low + high) / 2
