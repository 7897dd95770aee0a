//! An exact multiple: how fast one clock runs by another.

use std::fmt;
use std::str::FromStr;

/// A rational number in lowest terms: -10^9 to 10^9, denominator 1 to 10^9.
///
/// Written as a whole number (`60`), a decimal with at most nine places
/// (`0.5`) or a fraction (`1/3`), each with a sign if it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: i64,
    denominator: i64,
}

impl Ratio {
    /// The largest ratio, without its sign, and the largest denominator. So no
    /// numerator is beyond 10^18.
    pub const LIMIT: i64 = 1_000_000_000;
    /// 0: a clock that stands.
    pub const ZERO: Self = Self {
        numerator: 0,
        denominator: 1,
    };
    /// 1: a clock that runs as it should.
    pub const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// `numerator / denominator`; `None` if the ratio lies outside its range, or
    /// the denominator once common factors are gone.
    #[must_use]
    pub fn new(numerator: i64, denominator: u64) -> Option<Self> {
        let common = greatest_common_divisor(numerator.unsigned_abs(), denominator);
        let numerator = i128::from(numerator) / i128::from(common.max(1));
        let ratio = Self {
            numerator: i64::try_from(numerator).ok()?,
            denominator: i64::try_from(denominator / common.max(1)).ok()?,
        };
        let fits = (1..=Self::LIMIT).contains(&ratio.denominator)
            && i128::from(ratio.numerator.unsigned_abs())
                <= i128::from(Self::LIMIT) * i128::from(ratio.denominator);
        fits.then_some(ratio)
    }

    /// The part above the line, which carries the sign.
    #[must_use]
    pub const fn numerator(self) -> i64 {
        self.numerator
    }

    /// The part below the line, above 0.
    #[must_use]
    pub const fn denominator(self) -> i64 {
        self.denominator
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ONE
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for Ratio {
    /// `60`, or `1/3`: what [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.numerator)?;
        if self.denominator != 1 {
            write!(f, "/{}", self.denominator)?;
        }
        Ok(())
    }
}

/// The text is no [`Ratio`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARatio;

impl fmt::Display for NotARatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a number such as 60, 0.5 or 1/3, within -1000000000 to 1000000000 and with at most 9 decimals",
        )
    }
}

impl std::error::Error for NotARatio {}

impl FromStr for Ratio {
    type Err = NotARatio;

    /// # Errors
    /// [`NotARatio`] for anything but a whole number, a decimal or a fraction
    /// within the limits.
    fn from_str(text: &str) -> Result<Self, NotARatio> {
        let (unsigned, sign) = match text.strip_prefix('-') {
            Some(unsigned) => (unsigned, -1),
            None => (text, 1),
        };
        let (numerator, denominator) = if let Some((above, below)) = unsigned.split_once('/') {
            (digits(above)?, digits(below)?)
        } else {
            let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            if decimals.len() > 9 {
                return Err(NotARatio);
            }
            let scale = 10_u64.pow(u32::try_from(decimals.len()).map_err(|_| NotARatio)?);
            let above = digits(whole)?
                .checked_mul(scale)
                .and_then(|whole| whole.checked_add(digits(decimals).ok()?));
            (above.ok_or(NotARatio)?, scale)
        };
        let numerator = i64::try_from(numerator).map_err(|_| NotARatio)?;
        Self::new(sign * numerator, denominator).ok_or(NotARatio)
    }
}

/// A number of decimal digits and nothing else.
fn digits(text: &str) -> Result<u64, NotARatio> {
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(NotARatio);
    }
    text.parse().map_err(|_| NotARatio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_ratio_is_read_exactly() {
        for (text, numerator, denominator) in [
            ("60", 60, 1),
            ("0", 0, 1),
            ("-0", 0, 1),
            ("1.5", 3, 2),
            ("-0.25", -1, 4),
            ("0.000000001", 1, 1_000_000_000),
            ("2/6", 1, 3),
            ("-7/1", -7, 1),
            ("1000000000", 1_000_000_000, 1),
            ("4000000000/4", 1_000_000_000, 1),
            ("1.000000001", 1_000_000_001, 1_000_000_000),
            ("20.00000001", 2_000_000_001, 100_000_000),
            (
                "-999999999.999999999",
                -999_999_999_999_999_999,
                1_000_000_000,
            ),
        ] {
            let ratio: Ratio = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(
                (ratio.numerator, ratio.denominator),
                (numerator, denominator)
            );
            assert_eq!(ratio.to_string().parse(), Ok(ratio), "{text}");
        }
    }

    #[test]
    fn what_is_no_ratio_or_too_large_for_one_is_refused() {
        for text in [
            "",
            "-",
            "--1",
            "+1",
            "1.",
            ".5",
            "1e3",
            "1/0",
            "0/0",
            "1/-2",
            "1 ",
            "x",
            "1/2/3",
            "0.0000000001",
            "1000000001",
            "1000000000.000000001",
            "1/1000000001",
            "99999999999999999999",
            "18446744073709551615/3",
            "1.2.3",
            "/2",
            "2/",
            "inf",
            "1_000",
        ] {
            assert_eq!(text.parse::<Ratio>(), Err(NotARatio), "{text:?}");
        }
        for (numerator, denominator) in
            [(1, 0), (0, 0), (i64::MAX, 1), (i64::MIN, 1), (1, u64::MAX)]
        {
            assert_eq!(Ratio::new(numerator, denominator), None);
        }
        let whole = Ratio::new(i64::MIN, 1 << 63);
        assert_eq!(whole.map(|ratio| ratio.to_string()), Some("-1".to_owned()));
    }
}
