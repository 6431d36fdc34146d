//! The picture: one small plot for each curve, one below the other, over the time of the run.

use std::fmt::Write as _;

use crate::soak::samples::{CURVES, Curve, Line, Sample, Samples, Verdict};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
/// The height of one plot, with its title and the space below it.
const STEP: f64 = 150.0;
const PLOT: f64 = 92.0;

/// The picture as SVG, readable on light and on dark pages.
pub(super) fn svg(samples: &Samples, verdict: &Verdict) -> String {
    let height = STEP * (CURVES.len() + 1) as f64 + 10.0;
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes any text");
    line(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    ));
    let seconds = samples.length.as_secs_f64();
    plot(&mut line, 0, "messages a second", &rates(&samples.all), seconds, None);
    for (place, (curve, fit)) in CURVES.iter().zip(&verdict.lines).enumerate() {
        let Curve { name, unit, value, .. } = curve;
        let points: Vec<_> =
            samples.all.iter().map(|sample| (sample.at.as_secs_f64(), value(sample))).collect();
        let title = if unit.is_empty() { (*name).to_owned() } else { format!("{name}, {unit}") };
        plot(&mut line, place + 1, &title, &points, seconds, Some(fit));
    }
    line("</svg>".to_owned());
    out
}

/// The accepted messages per second between each two samples.
fn rates(all: &[Sample]) -> Vec<(f64, f64)> {
    all.windows(2)
        .map(|pair| {
            let took = pair[1].at.saturating_sub(pair[0].at).as_secs_f64().max(0.001);
            (pair[1].at.as_secs_f64(), (pair[1].accepted - pair[0].accepted) as f64 / took)
        })
        .collect()
}

fn plot(
    line: &mut impl FnMut(String),
    place: usize,
    title: &str,
    points: &[(f64, f64)],
    seconds: f64,
    fit: Option<&Line>,
) {
    let top = STEP * place as f64 + 34.0;
    let bottom = top + PLOT;
    let highest = round_up(points.iter().map(|(_, value)| *value).fold(1.0, f64::max));
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / seconds;
    let y = |value: f64| bottom - PLOT * (value / highest).clamp(0.0, 1.0);
    line(format!("<text x=\"{LEFT}\" y=\"{:.0}\" font-weight=\"bold\">{title}</text>", top - 10.0));
    for share in [0.0, 0.5, 1.0] {
        let (value, at) = (highest * share, y(highest * share));
        line(format!(
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\" fill=\"#555\">{value:.0}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        ));
    }
    for tick in 0..=6 {
        let at = seconds * f64::from(tick) / 6.0;
        let words = if seconds >= 300.0 { format!("{:.0} min", at / 60.0) } else { format!("{at:.0} s") };
        line(format!(
            "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">{words}</text>",
            x(at),
            bottom + 14.0
        ));
    }
    let path: Vec<_> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
    line(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#07a35a\" stroke-width=\"1.5\"/>",
        path.join(" ")
    ));
    if let Some(Line { from, to, .. }) = fit {
        line(format!(
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#c0392b\" stroke-dasharray=\"6 4\"/>",
            x(from.0),
            y(from.1),
            x(to.0),
            y(to.1)
        ));
    }
}

/// Rounds up to one, two or five times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        let rounded = [1.0, 1.5, 3.0, 47.0, 9_800.0].map(|value| round_up(value).to_string());
        assert_eq!(rounded, ["1", "2", "5", "50", "10000"]);
    }
}
