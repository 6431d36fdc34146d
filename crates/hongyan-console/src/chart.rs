//! Curves and bars, drawn as SVG. Their colours are classes of the style sheet.

use std::fmt::{self, Display, Formatter, Write};

use askama::filters::HtmlSafe;

/// The width of a chart in its own units.
const WIDTH: f64 = 560.0;

/// The height of the field in which the curves are.
const HEIGHT: f64 = 130.0;

/// Room above it for the largest value.
const TOP: f64 = 16.0;

/// Curves over time, one above the same axis as the other.
pub(crate) struct Curves<'a> {
    /// What the chart shows, for who does not see it.
    pub(crate) label: String,
    /// Each with the class that colours it. All have the same number of points.
    pub(crate) lines: Vec<(&'a str, Vec<u64>)>,
    /// What stands at the left and the right end of the axis of time.
    pub(crate) ends: (String, String),
}

impl Display for Curves<'_> {
    /// The words stand beside the drawing, not in it: the drawing is stretched to the width of the page.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let largest = self.lines.iter().flat_map(|(_, values)| values).copied().max().unwrap_or(0);
        let top = round_up(largest);
        write!(f, "<figure class=\"curves\"><span>{}</span>", crate::format::Count(top))?;
        write!(
            f,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\""
        )?;
        escaped(f, &self.label)?;
        f.write_str("\">")?;
        for part in [0.0, 0.5, 1.0] {
            write!(f, "<path class=\"grid-line\" d=\"M0 {:.1}H{WIDTH}\"/>", HEIGHT * part)?;
        }
        for (place, (class, values)) in self.lines.iter().enumerate() {
            let points = line(values, top);
            if place == 0 && !values.is_empty() {
                write!(f, "<path class=\"area\" d=\"M0 {HEIGHT:.1}L{points}L{WIDTH} {HEIGHT:.1}Z\"/>")?;
            }
            write!(f, "<path class=\"{class}\" d=\"M{points}\"/>")?;
        }
        f.write_str("</svg><figcaption><span>")?;
        escaped(f, &self.ends.0)?;
        f.write_str("</span><span>")?;
        escaped(f, &self.ends.1)?;
        f.write_str("</span></figcaption></figure>")
    }
}

impl HtmlSafe for Curves<'_> {}

/// The points of a curve.
fn line(values: &[u64], top: u64) -> String {
    let step = WIDTH / (values.len().max(2) - 1) as f64;
    let mut out = String::with_capacity(values.len() * 12);
    for (place, value) in values.iter().enumerate() {
        let (x, y) = (step * place as f64, HEIGHT * (1.0 - *value as f64 / top as f64));
        let _ = write!(out, "{}{x:.1} {y:.1}", if place == 0 { "" } else { "L" });
    }
    out
}

/// Bars beside each other, one for each value.
pub(crate) struct Bars {
    /// What the chart shows, for who does not see it.
    pub(crate) label: String,
    /// What stands below each bar, and how high it is.
    pub(crate) bars: Vec<(String, u64)>,
}

impl Display for Bars {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let top = round_up(self.bars.iter().map(|(_, value)| *value).max().unwrap_or(0));
        write!(
            f,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"",
            TOP + HEIGHT + 20.0
        )?;
        escaped(f, &self.label)?;
        f.write_str("\">")?;
        write!(f, "<path class=\"grid-line\" d=\"M0 {:.1}H{WIDTH}\"/>", TOP + HEIGHT)?;
        let step = WIDTH / self.bars.len().max(1) as f64;
        for (place, (name, value)) in self.bars.iter().enumerate() {
            let (x, height) = (step * place as f64, HEIGHT * *value as f64 / top as f64);
            write!(
                f,
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\"/>",
                x + step * 0.15,
                TOP + HEIGHT - height,
                step * 0.7
            )?;
            let middle = x + step / 2.0;
            write!(f, "<text x=\"{middle:.1}\" y=\"{:.0}\" text-anchor=\"middle\">", TOP + HEIGHT + 15.0)?;
            escaped(f, name)?;
            f.write_str("</text>")?;
            if *value > 0 {
                let y = (TOP + HEIGHT - height - 4.0).max(10.0);
                write!(
                    f,
                    "<text x=\"{middle:.1}\" y=\"{y:.0}\" text-anchor=\"middle\">{}</text>",
                    crate::format::Count(*value)
                )?;
            }
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Bars {}

/// A number that is easy to read at the axis: 1, 2 or 5 times a power of ten.
fn round_up(largest: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for times in [1, 2, 5] {
            if let Some(top) = unit.checked_mul(times).filter(|top| *top >= largest) {
                return top;
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return largest,
        }
    }
}

fn escaped(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    askama::filters::escape(text, askama::filters::Html).map_err(|_| fmt::Error)?.fmt(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_number_that_is_easy_to_read() {
        assert_eq!([0, 1, 3, 7, 11, 842, u64::MAX].map(round_up), [1, 1, 5, 10, 20, 1_000, u64::MAX]);
    }

    #[test]
    fn a_chart_has_its_curves_and_no_foreign_markup() {
        let curves = Curves {
            label: "<script>".into(),
            lines: vec![("good", vec![0, 5, 10]), ("bad", vec![])],
            ends: ("<b>".into(), "now".into()),
        };
        let svg = curves.to_string();
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
        assert!(svg.contains("class=\"good\" d=\"M0.0 130.0L280.0 65.0L560.0 0.0\""), "{svg}");
        let bars = Bars { label: String::new(), bars: vec![("<i>".into(), 3)] }.to_string();
        assert!(!bars.contains("<i>") && bars.contains("<rect"), "{bars}");
    }
}
