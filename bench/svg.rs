//! Charts as SVG, drawn with nothing from outside.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// Told apart also by those who see red and green alike.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// How a value becomes a place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// Parts of 1: 0, 0.9, 0.99 and so on are equally far apart.
    Percentile,
}

#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub title: String,
    pub scale: Scale,
}

#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub name: String,
    pub points: Vec<Point>,
    /// A line through the points; else a mark at each.
    pub joined: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    /// Drawn faintly: too few samples, or a run that is not valid.
    pub weak: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(1e-9).log10(),
            Self::Percentile => -(1.0 - value).max(1e-9).log10(),
        }
    }

    /// Values that are marked, within the places from `low` to `high`.
    fn ticks(self, low: f64, high: f64) -> Vec<(f64, String)> {
        match self {
            Self::Linear => {
                let rough = (high - low).max(1e-9) / 5.0;
                let power = 10f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 5.0, 10.0].map(|n| n * power);
                let step = steps.into_iter().find(|step| *step >= rough);
                let step = step.unwrap_or(rough);
                let first = (low / step).ceil() as i64;
                let last = (high / step).floor() as i64;
                let each = (first..=last).map(|n| n as f64 * step);
                each.map(|value| (value, number(value))).collect()
            }
            Self::Log => {
                let decades = low.floor() as i32..=high.ceil() as i32;
                let marks = decades.flat_map(|n| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(n)));
                let inside = marks.filter(|m| (low..=high).contains(&m.log10()));
                inside.map(|value| (value.log10(), number(value))).collect()
            }
            Self::Percentile => {
                let nines = 0..=high.floor() as i32;
                let tick = |n: i32| match n {
                    0 => (0.0, "0 %".to_owned()),
                    1 => (1.0, "90 %".to_owned()),
                    2 => (2.0, "99 %".to_owned()),
                    n => {
                        let digits = usize::try_from(n - 2).unwrap_or(0);
                        (f64::from(n), format!("99.{} %", "9".repeat(digits)))
                    }
                };
                nines.map(tick).collect()
            }
        }
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{} M", trimmed(value / 1e6)),
        v if v >= 1e4 => format!("{} k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The places of an axis: a little more than what is drawn.
fn range(scale: Scale, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let places = values.map(|value| scale.place(value));
    let (low, high) = places.fold((f64::MAX, f64::MIN), |(low, high), place| {
        (low.min(place), high.max(place))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let low = match scale {
        Scale::Linear | Scale::Percentile => low.min(0.0),
        Scale::Log => low - 0.05,
    };
    let high = high + (high - low) * 0.03;
    if high - low < 1e-6 {
        return (low, low + 1.0);
    }
    (low, high)
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        let xs = range(self.x.scale, points().map(|point| point.x));
        let ys = range(self.y.scale, points().map(|point| point.y));
        let frame = Frame { xs, ys };
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        self.draw_axes(&frame, &mut out);
        for (at, series) in self.series.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            self.draw_series(series, colour, &frame, &mut out);
            let y = TOP + 14.0 + 18.0 * at as f64;
            let x = WIDTH - RIGHT + 10.0;
            tag(
                &mut out,
                &format!(
                    "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{colour}\">{}</text>",
                    escape(&series.name)
                ),
            );
        }
        out + "</svg>\n"
    }

    fn draw_axes(&self, frame: &Frame, out: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (place, label) in self.x.scale.ticks(frame.xs.0, frame.xs.1) {
            let x = frame.x(place);
            tag(
                out,
                &format!(
                    "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                     <text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
                    bottom + 16.0
                ),
            );
        }
        for (place, label) in self.y.scale.ticks(frame.ys.0, frame.ys.1) {
            let y = frame.y(place);
            tag(
                out,
                &format!(
                    "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                     <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
        }
        let middle = (LEFT + right) / 2.0;
        let below = HEIGHT - 10.0;
        tag(
            out,
            &format!(
                "<text class=\"title\" x=\"{LEFT}\" y=\"18\">{}</text>\
                 <text class=\"x\" x=\"{middle}\" y=\"{below}\">{}</text>\
                 <text class=\"y\" x=\"{:.0}\" y=\"18\">{}</text>",
                escape(&self.title),
                escape(&self.x.title),
                LEFT - 6.0,
                escape(&self.y.title)
            ),
        );
    }

    fn draw_series(&self, series: &Series, colour: &str, frame: &Frame, out: &mut String) {
        let place = |point: &Point| {
            let x = frame.x(self.x.scale.place(point.x));
            (x, frame.y(self.y.scale.place(point.y)))
        };
        if series.joined {
            for weak in [false, true] {
                let path = path(series, weak, place);
                let dash = if weak {
                    " stroke-dasharray=\"4 4\""
                } else {
                    ""
                };
                tag(
                    out,
                    &format!("<path class=\"line\" stroke=\"{colour}\"{dash} d=\"{path}\"/>"),
                );
            }
        }
        if !series.joined || series.points.len() <= 40 {
            for point in &series.points {
                let (x, y) = place(point);
                let fill = if point.weak { "white" } else { colour };
                tag(
                    out,
                    &format!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" stroke=\"{colour}\" \
                         fill=\"{fill}\"/>"
                    ),
                );
            }
        }
    }
}

/// The line's pieces that are weak, or those that are not. A piece is as weak as its later end.
fn path(series: &Series, weak: bool, place: impl Fn(&Point) -> (f64, f64)) -> String {
    let mut path = String::new();
    let mut at = None;
    for pair in series.points.windows(2) {
        let [from, to] = pair else { continue };
        if to.weak != weak {
            continue;
        }
        let ((x0, y0), (x, y)) = (place(from), place(to));
        if at != Some((x0, y0)) {
            tag(&mut path, &format!("M{x0:.1} {y0:.1}"));
        }
        tag(&mut path, &format!("L{x:.1} {y:.1}"));
        at = Some((x, y));
    }
    path.replace('\n', "")
}

struct Frame {
    xs: (f64, f64),
    ys: (f64, f64),
}

impl Frame {
    fn x(&self, place: f64) -> f64 {
        let part = (place - self.xs.0) / (self.xs.1 - self.xs.0);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, place: f64) -> f64 {
        let part = (place - self.ys.0) / (self.ys.1 - self.ys.0);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }
}

fn tag(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_scales_say() {
        let point = |x, y| Point { x, y, weak: false };
        let chart = Chart {
            title: "a < b".to_owned(),
            x: Axis {
                title: "percentile".to_owned(),
                scale: Scale::Percentile,
            },
            y: Axis {
                title: "ms".to_owned(),
                scale: Scale::Log,
            },
            series: vec![Series {
                name: "one".to_owned(),
                points: vec![point(0.0, 1.0), point(0.9, 10.0), point(0.99, 100.0)],
                joined: true,
            }],
        };
        let svg = chart.svg();
        assert!(
            svg.contains("a &lt; b") && svg.contains("99 %") && svg.contains(">50<"),
            "{svg}"
        );
        let circles = svg.lines().filter_map(|line| {
            let rest = line.strip_prefix("<circle cx=\"")?;
            rest.split('"').next()?.parse::<f64>().ok()
        });
        let xs: Vec<f64> = circles.collect();
        // Each nine is as wide as the one before.
        assert_eq!(xs.len(), 3);
        assert!((xs[2] - xs[1] - (xs[1] - xs[0])).abs() < 0.2, "{xs:?}");
    }

    #[test]
    fn ticks_are_round_numbers() {
        let labels = |scale: Scale, low, high| {
            let ticks = scale.ticks(low, high).into_iter();
            ticks.map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(Scale::Linear, 0.0, 10.0), "0 2 4 6 8 10");
        assert_eq!(
            labels(Scale::Linear, 0.0, 45_000.0),
            "0 10 k 20 k 30 k 40 k"
        );
        assert_eq!(labels(Scale::Log, -1.1, 1.0), "0.1 0.2 0.5 1 2 5 10");
        assert_eq!(
            labels(Scale::Percentile, 0.0, 4.2),
            "0 % 90 % 99 % 99.9 % 99.99 %"
        );
    }
}
