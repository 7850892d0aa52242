# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG, without a library: panels one above the other that share their x axis, lines, areas, marks and labels. Small enough
to be committed; points that would fall on the same pixel are left out."""
import math
from xml.sax.saxutils import escape

COLOURS = ("#1f5fa8", "#d9731a", "#2f8f4e", "#a03050", "#6a5acd", "#707070")
WIDTH, LEFT, RIGHT, TOP, GAP, BOTTOM = 860, 76, 24, 58, 30, 52
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"


def ticks(low, high, about=5):
    """Round numbers from low to high, about so many."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= raw * 0.999)
    return [step * n for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def label(value):
    if abs(value) >= 1000 and value == round(value):
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:g}"


class Axis:
    """From values to pixels."""

    def __init__(self, low, high, start, end, log=False):
        self.log, self.start, self.end = log, start, end
        if log:
            low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high) - 1e-9)
            high = max(high, low * 10)
        self.low, self.high = low, high if high > low else low + 1

    def __call__(self, value):
        if self.log:
            part = (math.log10(max(value, self.low)) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.start + (self.end - self.start) * min(max(part, -0.02), 1.02), 1)

    def ticks(self, about=5):
        if self.log:
            return [10.0 ** n for n in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        return ticks(self.low, self.high, about)


def steps(points, width):
    """Of values that each hold for `width` around their x, the outline."""
    return [(at + side * width / 2, value) for at, value in points for side in (-1, 1)]


class Panel:
    """One pair of axes. Series: line() or area() of (x, y) points in order of x."""

    def __init__(self, y_label, height=170, log=False, low=None, high=None):
        self.y_label, self.height, self.log, self.low, self.high = y_label, height, log, low, high
        self.series = []

    def line(self, points, name, colour=None, width=1.6, dots=False):
        self.series.append(("dots" if dots else "line", list(points), name, colour, width))
        return self

    def area(self, points, name, colour=None):
        self.series.append(("area", list(points), name, colour, 1.2))
        return self

    def colour(self, index):
        return self.series[index][3] or COLOURS[index % len(COLOURS)]

    def y_axis(self, top):
        values = [y for one in self.series for _, y in one[1] if y is not None and (y > 0 or not self.log)] or [1]
        low = min(values) if self.log else min(0, min(values))
        high = max(values) * (1 if self.log else 1.08)
        return Axis(low if self.low is None else self.low, high if self.high is None else self.high, top + self.height, top, self.log)


class Figure:
    """x_range: (low, high), or that of the points."""

    def __init__(self, title, x_label, subtitle="", x_log=False, x_range=None):
        self.title, self.subtitle, self.x_label, self.x_log, self.x_range = title, subtitle, x_label, x_log, x_range
        self.panels, self.marks, self.bands = [], [], []

    def panel(self, *arguments, **keys):
        self.panels.append(Panel(*arguments, **keys))
        return self.panels[-1]

    def mark(self, x, text):
        """A vertical line through all panels."""
        self.marks.append((x, text))

    def band(self, start, end):
        """A shaded stretch of x in all panels."""
        self.bands.append((start, end))

    def _text(self, x, y, text, size=11, anchor="start", fill="#333", more=""):
        self.out.append(f"<text x='{x:g}' y='{y:g}' font-size='{size}' text-anchor='{anchor}' fill='{fill}' {more}>{escape(text)}</text>")

    def _path(self, points, x, y):
        """One subpath for each stretch without holes; of the points at one pixel of x the first, the last and the extremes."""
        paths, column = [[]], []

        def flush():
            kept = sorted({0, len(column) - 1, min(range(len(column)), key=lambda n: column[n][1]),
                           max(range(len(column)), key=lambda n: column[n][1])}) if column else []
            paths[-1].extend(column[n] for n in kept)
            column.clear()

        for at, value in points:
            if value is None:
                flush()
                paths.append([])
                continue
            here = (x(at), y(value))
            if column and round(here[0]) != round(column[0][0]):
                flush()
            column.append(here)
        flush()
        return [one for one in paths if one]

    def _series(self, panel, x, y):
        for index, (kind, points, _, _, width) in enumerate(panel.series):
            colour = panel.colour(index)
            for path in self._path(points, x, y):
                joined = "L".join(f"{a:g} {b:g}" for a, b in path)
                if kind == "area":
                    self.out.append(f"<path d='M{path[0][0]:g} {y.start:g}L{joined}L{path[-1][0]:g} {y.start:g}Z' fill='{colour}' "
                                    f"fill-opacity='.18'/>")
                self.out.append(f"<path d='M{joined}' fill='none' stroke='{colour}' stroke-width='{width}' stroke-linejoin='round'/>")
                if kind == "dots":
                    self.out += [f"<circle cx='{a:g}' cy='{b:g}' r='3' fill='{colour}'/>" for a, b in path]

    def _legend(self, panel, top):
        at = LEFT
        for index, (_, _, name, _, _) in enumerate(panel.series):
            self.out.append(f"<rect x='{at}' y='{top - 14}' width='14' height='4' fill='{panel.colour(index)}'/>")
            self._text(at + 19, top - 8, name)
            at += 19 + 6.6 * len(name) + 18

    def _frame(self, panel, top, x, y, last):
        right = WIDTH - RIGHT
        for start, end in self.bands:
            self.out.append(f"<rect x='{x(start):g}' y='{top}' width='{x(end) - x(start):g}' height='{panel.height}' fill='#f4f4f0'/>")
        for value in y.ticks(4):
            self.out.append(f"<path d='M{LEFT} {y(value):g}H{right}' stroke='#e2e2e2'/>")
            self._text(LEFT - 8, y(value) + 4, label(value), anchor="end")
        for value in x.ticks(10):
            self.out.append(f"<path d='M{x(value):g} {top}V{top + panel.height}' stroke='#efefef'/>")
            if last:
                over = x(value) + 3.4 * len(label(value)) > WIDTH - 4  # a long number at the right edge
                self._text(WIDTH - 4 if over else x(value), top + panel.height + 17, label(value), anchor="end" if over else "middle")
        middle = top + panel.height / 2
        self._text(16, middle, panel.y_label, anchor="middle", more=f"transform='rotate(-90 16 {middle:g})'")
        self._series(panel, x, y)
        self.out.append(f"<path d='M{LEFT} {top}V{top + panel.height}H{right}' fill='none' stroke='#888'/>")
        for at, text in self.marks:
            self.out.append(f"<path d='M{x(at):g} {top}V{top + panel.height}' stroke='#444' stroke-dasharray='4 3'/>")
            if panel is self.panels[0]:
                side, anchor = (-5, "end") if x(at) > LEFT + 7 * len(text) else (5, "start")
                self._text(x(at) + side, top + panel.height - 8, text, anchor=anchor, fill="#222",
                           more="stroke='#fff' stroke-width='3' paint-order='stroke'")

    def render(self):
        xs = self.x_range or [at for panel in self.panels for one in panel.series for at, _ in one[1]] or [0, 1]
        x = Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, self.x_log)
        head = TOP + (18 if self.subtitle else 0)
        height = head + sum(panel.height + GAP for panel in self.panels) - GAP + BOTTOM
        self.out = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' {FONT}>",
                    f"<rect width='{WIDTH}' height='{height}' fill='#fff'/>"]
        self._text(LEFT, 22, self.title, 15, more="font-weight='bold'", fill="#111")
        if self.subtitle:
            self._text(LEFT, 41, self.subtitle, 11.5, fill="#555")
        top = head
        for panel in self.panels:
            self._frame(panel, top, x, panel.y_axis(top), panel is self.panels[-1])
            self._legend(panel, top)
            top += panel.height + GAP
        self._text((LEFT + WIDTH - RIGHT) / 2, height - 12, self.x_label, anchor="middle")
        return "\n".join(self.out + ["</svg>"]) + "\n"

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.render())
