"""Bars and lines as SVG. Colors are readable on light and on dark backgrounds, so there is no background."""

import math
from html import escape

GREEN, BLUE, ORANGE, GRAY = "#2da44e", "#4c8bd6", "#c9772b", "#8c959f"
STYLE = """\
    text { font: 13px system-ui, sans-serif; fill: #7a828b }
    .title { font-size: 15px; font-weight: 600 }
    .small { font-size: 11px }
    .end { text-anchor: end }
    .middle { text-anchor: middle }
    .axis { stroke: #7a828b; stroke-opacity: .35; stroke-width: 1 }
    .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }"""


def document(width, height, title, body):
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title">',
        f'  <title id="title">{escape(title)}</title>',
        f"  <style>\n{STYLE}\n  </style>",
        *(f"  {line}" for line in body),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(x, y, content, css=""):
    css = f' class="{css}"' if css else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{css}>{escape(content)}</text>'


def bars(x, y, width, title, rows, label_width=130):
    """Horizontal bars. `rows` are label, value, text and color. Returns elements and height."""
    body = [text(x, y + 14, title, "title")]
    most = max(value for _, value, _, _ in rows)
    room = width - label_width - 95
    for number, (label, value, shown, color) in enumerate(rows):
        top = y + 26 + number * 22
        length = max(room * value / most, 1)
        body.append(text(x + label_width - 8, top + 13, label, "end"))
        body.append(f'<rect x="{x + label_width}" y="{top}" width="{length:.1f}" height="16" rx="2" fill="{color}"/>')
        body.append(text(x + label_width + length + 6, top + 13, shown))
    return body, 26 + len(rows) * 22


def lines(width, height, series, x_label, y_label):
    """Lines on two logarithmic axes. `series` are name, color and points."""
    left, right, top, bottom = 70, 170, 24, 50
    points = [point for _, _, values in series for point in values]
    x_low, x_high = (math.log10(f(x for x, _ in points)) for f in (min, max))
    y_low, y_high = math.floor(math.log10(min(y for _, y in points))), math.ceil(math.log10(max(y for _, y in points)))

    def place(point):
        x = left + (width - left - right) * (math.log10(point[0]) - x_low) / ((x_high - x_low) or 1)
        return x, height - bottom - (height - top - bottom) * (math.log10(point[1]) - y_low) / (y_high - y_low)

    body = [text(left - 60, 14, y_label, "small")]
    for power in range(y_low, y_high + 1):
        _, y = place((points[0][0], 10.0**power))
        body.append(f'<path class="axis" d="M{left} {y:.1f} H{width - right}"/>')
        body.append(text(left - 8, y + 4, f"{10.0**power:g} s", "end"))
    for size in sorted({x for x, _ in points}):
        x, _ = place((size, 10.0**y_low))
        body.append(f'<path class="axis" d="M{x:.1f} {top} V{height - bottom}"/>')
        body.append(text(x, height - bottom + 18, count(size), "middle"))
    body.append(text((left + width - right) / 2, height - 8, x_label, "middle small"))
    for name, color, values in series:
        places = [place(value) for value in values]
        path = " ".join(f"{x:.1f} {y:.1f}" for x, y in places)
        body.append(f'<polyline class="line" stroke="{color}" points="{path}"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in places]
    # Names stand at the ends of the lines, but not on each other.
    lowest = float("inf")
    for name, _, values in sorted(series, key=lambda line: line[2][-1][1]):
        x, y = place(values[-1])
        lowest = min(y + 4, lowest - 15)
        body.append(text(x + 10, lowest, f"{name}, {seconds(values[-1][1])}"))
    return body


def count(number):
    for unit, size in [("M", 1e6), ("k", 1e3)]:
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def rate(number):
    """Rows per second."""
    return f"{number / 1e6:.3g} M/s" if number >= 1e6 else f"{number / 1e3:.3g} k/s"


def seconds(value):
    """Two or three digits."""
    if value < 0.0995:
        return f"{value:.3f} s" if value >= 0.01 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
