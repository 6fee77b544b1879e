//! Charts as inline SVG: bars, histograms, heat maps. No script; the exact count shows under the pointer.
use formats::page::escape;
use std::fmt::Write;

/// Width of a chart in its own units; the page scales it.
const WIDTH: f64 = 320.0;

/// Counts over a range of numbers, in fine steps that are joined when drawn.
pub struct Histogram {
    low: f64,
    step: f64,
    counts: Vec<u64>,
    /// Number of values within the range.
    pub n: u64,
    sum: f64,
    /// Values outside the range, NaN too.
    pub outside: u64,
}

impl Histogram {
    /// From `low` to `high` in steps of `step`.
    pub fn new(low: f64, high: f64, step: f64) -> Self {
        let counts = vec![0; ((high - low) / step).round().max(1.0) as usize];
        Histogram { low, step, counts, n: 0, sum: 0.0, outside: 0 }
    }

    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        let at = (value - self.low) / self.step;
        match self.counts.get_mut(at.floor() as usize) {
            Some(count) if at >= 0.0 => {
                *count += 1;
                self.n += 1;
                self.sum += value;
            }
            _ => self.outside += 1,
        }
    }

    /// Mean of the values within the range.
    pub fn mean(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }

    /// (from, to, count) of at most `most` bins of a round width over the occupied range.
    fn bins(&self, most: usize) -> Vec<(f64, f64, u64)> {
        let occupied = |k: &usize| self.counts[*k] > 0;
        let first = (0..self.counts.len()).find(occupied).unwrap_or(0);
        let last = (0..self.counts.len()).rev().find(occupied).unwrap_or(0);
        let join = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
        let fits = |join: &&usize| last / **join - first / **join < most;
        let join = *join.iter().find(fits).unwrap_or(&1000);
        let bin = |k: usize| {
            let counts = &self.counts[k * join..((k + 1) * join).min(self.counts.len())];
            let edge = |k: usize| self.low + (k * join) as f64 * self.step;
            (edge(k), edge(k + 1), counts.iter().sum())
        };
        (first / join..=last / join).map(bin).collect()
    }
}

/// Upright bars; `unit` follows the numbers of the axis. Two series stand on one another.
pub fn histogram(series: &[&Histogram], unit: &str) -> String {
    const HEIGHT: f64 = 110.0;
    let mut all = Histogram { counts: vec![0; series[0].counts.len()], n: 0, sum: 0.0, outside: 0, ..*series[0] };
    for one in series {
        all.counts.iter_mut().zip(&one.counts).for_each(|(sum, count)| *sum += count);
    }
    let bins = all.bins(28);
    let tallest = bins.iter().map(|b| b.2).max().unwrap_or(0).max(1);
    let width = WIDTH / bins.len() as f64;
    let mut svg = open(HEIGHT + 18.0);
    for (k, &(from, to, total)) in bins.iter().enumerate() {
        let mut top = HEIGHT;
        for (which, one) in series.iter().enumerate() {
            let (a, b) = (one.index(from), one.index(to).min(one.counts.len()));
            let count: u64 = one.counts[a..b].iter().sum();
            let height = count as f64 / tallest as f64 * (HEIGHT - 12.0);
            top -= height;
            let x = k as f64 * width;
            let (x, w) = (x + 0.08 * width, 0.84 * width);
            let _ =
                write!(svg, r#"<rect class="s{which}" x="{x:.1}" y="{top:.1}" width="{w:.1}" height="{height:.1}"/>"#);
        }
        let x = k as f64 * width;
        let text = format!("{} … {}{unit}: {}", short(from), short(to), thousands(total));
        let _ = write!(
            svg,
            r#"<rect class="hit" x="{x:.1}" y="0" width="{width:.1}" height="{HEIGHT}"><title>{text}</title></rect>"#
        );
    }
    let (low, high) = (bins.first().map_or(0.0, |b| b.0), bins.last().map_or(0.0, |b| b.1));
    let _ = write!(svg, r#"<path class="axis" d="M0 {HEIGHT}H{WIDTH}"/>"#);
    let ticks = [(0.0, low, "start"), (WIDTH / 2.0, (low + high) / 2.0, "middle"), (WIDTH, high, "end")];
    for (x, value, anchor) in ticks {
        let y = HEIGHT + 14.0;
        let _ = write!(svg, r#"<text x="{x}" y="{y}" text-anchor="{anchor}">{}{unit}</text>"#, short(value));
    }
    svg + "</svg>"
}

impl Histogram {
    /// Of the fine step that begins at an edge.
    fn index(&self, edge: f64) -> usize {
        ((edge - self.low) / self.step).round().max(0.0) as usize
    }
}

/// Lying bars with their labels, in the order given.
pub fn bars(items: &[(String, u64)]) -> String {
    bars_to(items, items.iter().map(|i| i.1).max().unwrap_or(0))
}

/// As [`bars`], where `longest` fills the width: for charts of one scale.
pub fn bars_to(items: &[(String, u64)], longest: u64) -> String {
    const LINE: f64 = 19.0;
    const LABEL: f64 = 126.0;
    const COUNT: f64 = 46.0;
    let longest = longest.max(1);
    let mut svg = open(LINE * items.len() as f64);
    for (k, (label, count)) in items.iter().enumerate() {
        let y = k as f64 * LINE;
        let width = *count as f64 / longest as f64 * (WIDTH - LABEL - COUNT);
        let text: String = label.chars().take(20).collect();
        let (text_y, bar_y) = (y + 13.0, y + 3.5);
        let _ = write!(svg, r#"<text x="{0}" y="{text_y}" text-anchor="end">{1}</text>"#, LABEL - 8.0, escape(&text));
        let _ = write!(
            svg,
            r#"<rect class="s0" x="{LABEL}" y="{bar_y}" width="{width:.1}" height="12" rx="2"><title>{}</title></rect>"#,
            escape(label)
        );
        let _ = write!(
            svg,
            r#"<text class="count" x="{:.1}" y="{text_y}">{}</text>"#,
            LABEL + width + 6.0,
            thousands(*count)
        );
    }
    svg + "</svg>"
}

/// Counts over two angles in degrees, in cells of five.
#[derive(PartialEq)]
pub struct Sphere {
    counts: Vec<u64>,
}

impl Sphere {
    const CELL: f64 = 5.0;
    const COLUMNS: usize = 72;
    const ROWS: usize = 36;

    /// Empty.
    pub fn new() -> Self {
        Sphere { counts: vec![0; Self::COLUMNS * Self::ROWS] }
    }

    /// Counts a direction: yaw −180 … 180, pitch −90 … 90.
    pub fn add(&mut self, yaw_deg: f64, pitch_deg: f64) {
        if !(yaw_deg.is_finite() && pitch_deg.is_finite()) {
            return;
        }
        let column = ((yaw_deg + 180.0) / Self::CELL) as usize % Self::COLUMNS;
        let row = (((pitch_deg + 90.0) / Self::CELL) as usize).min(Self::ROWS - 1);
        self.counts[row * Self::COLUMNS + column] += 1;
    }

    /// A map of the occupied part around straight ahead; nothing where there is nothing.
    pub fn heat_map(&self) -> String {
        let occupied = |x: usize, y: usize| self.counts[y * Self::COLUMNS + x] > 0;
        let reach = |n: usize, any: &dyn Fn(usize) -> bool| {
            (0..n).filter(|k| any(*k)).map(|k| if k < n / 2 { n / 2 - k } else { k + 1 - n / 2 }).max().unwrap_or(1)
        };
        let half_x = reach(Self::COLUMNS, &|x| (0..Self::ROWS).any(|y| occupied(x, y))).max(6);
        let half_y = reach(Self::ROWS, &|y| (0..Self::COLUMNS).any(|x| occupied(x, y))).max(3);
        let (columns, rows) =
            (Self::COLUMNS / 2 - half_x..Self::COLUMNS / 2 + half_x, Self::ROWS / 2 - half_y..Self::ROWS / 2 + half_y);
        let cell = WIDTH / columns.len() as f64;
        let height = cell * rows.len() as f64;
        let most = self.counts.iter().max().copied().unwrap_or(0).max(1) as f64;
        let mut svg = open(height + 18.0);
        for (line, y) in rows.clone().rev().enumerate() {
            for (place, x) in columns.clone().enumerate() {
                let count = self.counts[y * Self::COLUMNS + x];
                let opacity = if count == 0 { 0.0 } else { 0.12 + 0.88 * (count as f64 / most).sqrt() };
                let degrees = |k: usize, half: f64| k as f64 * Self::CELL - half;
                let title =
                    format!("yaw {:+}°, pitch {:+}°: {}", degrees(x, 180.0), degrees(y, 90.0), thousands(count));
                let _ = write!(
                    svg,
                    r#"<rect class="cell" x="{:.1}" y="{:.1}" width="{2:.1}" height="{2:.1}" fill-opacity="{opacity:.2}"><title>{title}</title></rect>"#,
                    place as f64 * cell,
                    line as f64 * cell,
                    cell - 0.6
                );
            }
        }
        let (x, y) = (half_x as f64 * Self::CELL, half_y as f64 * Self::CELL);
        let _ =
            write!(svg, r#"<path class="cross" d="M{0} 0V{height:.1}M0 {1:.1}H{WIDTH}"/>"#, WIDTH / 2.0, height / 2.0);
        let base = height + 14.0;
        for (at, text, anchor) in [
            (0.0, format!("−{x}°"), "start"),
            (WIDTH / 2.0, format!("±{y}° up and down"), "middle"),
            (WIDTH, format!("+{x}°"), "end"),
        ] {
            let _ = write!(svg, r#"<text x="{at}" y="{base:.1}" text-anchor="{anchor}">{text}</text>"#);
        }
        svg + "</svg>"
    }
}

fn open(height: f64) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.1}" role="img">"#)
}

/// `12 345`, with a thin space.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// At most three decimals, no trailing zeros.
pub fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_round_and_lose_nothing() {
        let mut histogram = Histogram::new(0.0, 4.0, 0.01);
        (0..1000).for_each(|k| histogram.add(0.5 + k as f64 * 0.001));
        histogram.add(f64::NAN);
        histogram.add(-1.0);
        histogram.add(9.0);
        let bins = histogram.bins(28);
        assert_eq!((bins.len(), bins[0].0, histogram.outside), (20, 0.5, 3));
        assert_eq!(bins.iter().map(|b| b.2).sum::<u64>(), 1000);
        assert!(bins.iter().all(|b| (b.1 - b.0 - 0.05).abs() < 1e-9));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([thousands(7), thousands(1234567)], ["7", "1\u{2009}234\u{2009}567"]);
        assert_eq!([short(-0.0001), short(0.5), short(-12.3456)], ["0", "0.5", "−12.346"]);
    }
}
