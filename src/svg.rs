//! Lines and words of a picture: SVG, which every browser shows.

use std::fmt::{self, Write};

/// Begins a picture of this size on white.
pub(crate) fn begin(out: &mut String, width: f64, height: f64) -> fmt::Result {
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="#222">"##
    )?;
    writeln!(out, r##"<rect width="100%" height="100%" fill="#fff"/>"##)
}

/// Ends it.
pub(crate) fn end(out: &mut String) -> fmt::Result {
    writeln!(out, "</svg>")
}

/// A straight line.
pub(crate) fn line(out: &mut String, from: (f64, f64), to: (f64, f64), color: &str) -> fmt::Result {
    writeln!(
        out,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{color}"/>"##,
        from.0, from.1, to.0, to.1
    )
}

/// A line of text at a point: its start, middle or end by `anchor`.
pub(crate) fn label(
    out: &mut String,
    x: f64,
    y: f64,
    anchor: &str,
    size: u8,
    text: &str,
) -> fmt::Result {
    writeln!(
        out,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{}</text>"##,
        escaped(text)
    )
}

/// `text` as it stands between tags.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
