#!/usr/bin/env python3
"""Derives the polynomial coefficients of src/device/cpu/vmath.h.  Needs mpmath.  Usage: minimax.py [name...]

A fit approximates f(x) by known(x) + sum c_j x^(p_j) on [a, b] so that the largest |weight(x) * error(x)| is smallest:
Remez' exchange algorithm (Remez 1934; Cheney, Introduction to Approximation Theory, chapter 3) on a dense grid of
Chebyshev points.  Coefficients are then rounded to float32 one by one from the lowest power up, and after each rounding
the rest is fitted again, so that later coefficients make up for the rounding of earlier ones.  Printed: the coefficients
from the highest power down (the order of Horner's rule) and the largest weighted error, in units of 2^-24, of the
rounded polynomial evaluated exactly: a weight of 1/f makes that a relative error in half ulps or whole ones, depending
on where in its binade f lies."""
import struct
import sys

from mpmath import cos, erf, erfc, expm1, log, log1p, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 40
GRID = 1200


def to_float32(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def largest_error(target, weight, columns, coefficients):
    return max(
        abs(w * (t - sum(c * column[i] for c, column in zip(coefficients, columns))))
        for i, (t, w) in enumerate(zip(target, weight))
    )


def exchange(target, weight, columns):
    """Best weighted fit of target by the columns, all given on the grid.  Returns the coefficients.
    With some coefficients fixed the columns may vanish inside the interval and the exchange may wander off, so the best
    fit met on the way is returned, not the last."""
    n, size = len(columns), len(target)
    # The error alternates in sign as a polynomial would only if weight * first column keeps its sign.
    weight = [abs(w) if c > 0 else -abs(w) for w, c in zip(weight, columns[0])]
    points = [round(i * (size - 1) / n) for i in range(n + 1)]
    best, best_error = None, None
    for _ in range(25):
        a = matrix(n + 1, n + 1)
        b = matrix(n + 1, 1)
        for row, i in enumerate(points):
            for j in range(n):
                a[row, j] = columns[j][i]
            a[row, n] = (-1) ** row / weight[i]
            b[row] = target[i]
        solution = lu_solve(a, b)
        error = [weight[i] * (target[i] - sum(solution[j] * columns[j][i] for j in range(n))) for i in range(size)]
        worst = max(abs(e) for e in error)
        if best is None or worst < best_error:
            best, best_error = [solution[j] for j in range(n)], worst
        # The largest error of each run of one sign; the ends of a longer alternation are dropped, the smaller first.
        extrema = []
        for i in range(size):
            if extrema and (error[i] > 0) == (error[extrema[-1]] > 0):
                if abs(error[i]) > abs(error[extrema[-1]]):
                    extrema[-1] = i
            else:
                extrema.append(i)
        while len(extrema) > n + 1:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        if len(extrema) < n + 1 or extrema == points:
            break
        points = extrema
    return best


def fit(name, f, known, powers, a, b, weight):
    a, b = mpf(a), mpf(b)
    xs = [(a + b) / 2 + (b - a) / 2 * cos(pi * (i + mpf(1) / 2) / GRID) for i in range(GRID)]
    target = [f(x) - known(x) for x in xs]
    w = [weight(x) for x in xs]
    columns = [[x**p for x in xs] for p in powers]
    coefficients = exchange(target, w, columns)
    for j in range(len(powers)):
        coefficients[j] = to_float32(coefficients[j])
        if j + 1 < len(powers):
            rest = [t - sum(coefficients[k] * columns[k][i] for k in range(j + 1)) for i, t in enumerate(target)]
            again = coefficients[: j + 1] + exchange(rest, w, columns[j + 1 :])
            if largest_error(target, w, columns, again) < largest_error(target, w, columns, coefficients):
                coefficients = again
    error = largest_error(target, w, columns, coefficients)
    print("%s: [%s, %s], error %.3f * 2^-24" % (name, mp.nstr(a, 6), mp.nstr(b, 6), float(error * 2**24)))
    print("  " + ", ".join("%.9gf" % float(c) for c in reversed(coefficients)))
    sys.stdout.flush()


HALF_LN2 = log(2) / 2 * mpf("1.0001")
SQRT_HALF, SQRT_2 = sqrt(mpf(1) / 2), sqrt(mpf(2))
FITS = {}


def add(name, *arguments):
    FITS[name] = arguments


# e^r = 1 + r + r^2 Q(r), weighted for expm1, which is the stricter use.
add("exp", expm1, lambda x: x, range(2, 7), -HALF_LN2, HALF_LN2, lambda x: 1 / expm1(x))
# 2^r on half an octave either side.
add("exp2", lambda x: mpf(2) ** x, lambda x: 1, range(1, 7), -0.5005, 0.5005, lambda x: mpf(2) ** -x)
add("log", log1p, lambda x: x, range(2, 11), SQRT_HALF - 1, SQRT_2 - 1, lambda x: 1 / log1p(x))
add("log2", lambda x: log1p(x) / log(2), lambda x: x, range(1, 11), SQRT_HALF - 1, SQRT_2 - 1, lambda x: 1 / log1p(x))
add("tanh", tanh, lambda x: x, range(3, 12, 2), 0, 0.75, lambda x: 1 / tanh(x))
add("erf", erf, lambda x: x, range(1, 12, 2), 0, 0.875, lambda x: 1 / erf(x))
# erfc(a) = 2^-h(a); an error of h counts as much as it changes erfc, about erfc(a).
add("erfc", lambda x: log(erfc(x)) / log(2), lambda x: 0, range(0, 7), 0.875, 3.93, erfc)
add("sin", sin, lambda x: x, range(3, 8, 2), 0, pi / 4 * mpf("1.001"), lambda x: 1 / sin(x))
add("cos", cos, lambda x: 1 - x * x / 2, range(4, 9, 2), 0, pi / 4 * mpf("1.001"), lambda x: 1 / cos(x))

for key in sys.argv[1:] or FITS:
    fit(key, *FITS[key])
