//! How steady a clock is, from its phase at equal distances.
//!
//! The estimators are those of W. J. Riley, Handbook of Frequency Stability
//! Analysis, NIST Special Publication 1065, 2008, chapter 5.

/// The overlapping Allan variance at `m` samples, of phases `tau_0` apart in
/// the unit of the phases.
pub fn allan_variance(phases: &[f64], m: usize, tau_0: f64) -> f64 {
    let count = phases.len() - 2 * m;
    let squares: f64 = (0..count)
        .map(|i| (phases[i + 2 * m] - 2.0 * phases[i + m] + phases[i]).powi(2))
        .sum();
    squares / (2.0 * (m as f64 * tau_0).powi(2) * count as f64)
}

/// The modified Allan variance: that of phases averaged over `m` samples.
pub fn modified_allan_variance(phases: &[f64], m: usize, tau_0: f64) -> f64 {
    let mut sums = vec![0.0];
    for phase in phases {
        sums.push(sums[sums.len() - 1] + phase);
    }
    let mean = |i: usize| (sums[i + m] - sums[i]) / m as f64;
    let count = phases.len() - 3 * m + 1;
    let squares: f64 = (0..count)
        .map(|i| (mean(i + 2 * m) - 2.0 * mean(i + m) + mean(i)).powi(2))
        .sum();
    squares / (2.0 * (m as f64 * tau_0).powi(2) * count as f64)
}

/// The slope of ln `y` over ln `x`, by least squares.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let across: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let along: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    across / along
}
