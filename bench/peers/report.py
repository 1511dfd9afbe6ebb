"""Medians over the rounds as Markdown tables, and bars as SVG."""

import json
import os
import statistics

COLUMNS = [
    ("rate", "records/s", "{:,.0f}"), ("p50", "p50 µs", "{:,.0f}"), ("p99", "p99 µs", "{:,.0f}"),
    ("p99.9", "p99.9 µs", "{:,.0f}"), ("end p99", "end to end p99 µs", "{:,.0f}"),
    ("rss_mib", "resident MiB", "{:,.0f}"), ("idle_mib", "idle MiB", "{:,.0f}"),
    ("cpu_s_per_million", "CPU s a million", "{:.2f}"), ("start_ms", "start ms", "{:,.0f}"),
]


def median(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.median(values) if values else None


def groups(rows):
    """Rows by workload and durability, then by broker, in the order of their first run."""
    found = {}
    for row in rows:
        by_broker = found.setdefault((row["workload"], row["durability"]), {})
        by_broker.setdefault(row["broker"], []).append(row)
    return found


def table(by_broker):
    lines = ["| | " + " | ".join(title for _, title, _ in COLUMNS) + " | runs, not valid |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for broker, rows in by_broker.items():
        values = [(median(rows, key), form) for key, _, form in COLUMNS]
        cells = ["–" if value is None else form.format(value) for value, form in values]
        wrong = sum(row.get("valid") is False for row in rows)
        lines.append(f"| {broker} | " + " | ".join(cells) + f" | {len(rows)}, {wrong} |")
    return "\n".join(lines)


def bars(title, values):
    """Horizontal bars of (name, value), the longest as wide as there is room."""
    most = max((value for _, value in values), default=0) or 1
    height = 30 + 24 * len(values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{height}" '
        f'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">{title}</text>',
    ]
    for at, (name, value) in enumerate(values):
        y, width = 28 + 24 * at, 380 * value / most
        parts.append(f'<text x="8" y="{y + 13}">{name}</text>')
        parts.append(f'<rect x="130" y="{y}" width="{width:.1f}" height="17" fill="#0072b2"/>')
        parts.append(f'<text x="{136 + width:.1f}" y="{y + 13}">{value:,.0f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def write(rows, options):
    out = options.out or options.build
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "peers.json"), "w") as file:
        json.dump(rows, file, indent=1)
    text = []
    for (workload, durability), by_broker in groups(rows).items():
        text.append(f"### {workload}, {durability}\n\n{table(by_broker)}\n")
        for key, unit in [("rate", "records a second"), ("p99", "p99 in µs")]:
            values = [(broker, median(own, key)) for broker, own in by_broker.items()]
            values = [(broker, value) for broker, value in values if value is not None]
            if values:
                name = f"peers-{workload}-{durability}-{key}.svg"
                with open(os.path.join(out, name), "w") as file:
                    file.write(bars(f"{workload}, {durability}: {unit}", values))
                text.append(f"![{workload}, {durability}: {unit}]({name})\n")
    with open(os.path.join(out, "peers.md"), "w") as file:
        file.write("\n".join(text))
