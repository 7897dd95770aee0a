//! Clocks that run at a rate and drift, against arithmetic without any bound.

use crate::{START, after, scripted};
use num_rational::BigRational;
use proptest::prelude::*;
use timeball_api::{Delta, Timestamp};
use timeball_mock::{Change, Ratio};

const YEAR: i64 = 31_557_600_000_000_000;

/// What happens to the clock of the oracle.
#[derive(Debug, Clone, Copy)]
enum Bend {
    Rate(i64, u64),
    Drift(i64),
    DriftRate(i64),
    Step(i64),
}

impl Bend {
    fn change(self) -> Change {
        match self {
            Self::Rate(above, below) => {
                Change::Rate(Ratio::new(above, below).expect("it is within the limits"))
            }
            Self::Drift(ppb) => Change::Drift { ppb },
            Self::DriftRate(ppb_per_day) => Change::DriftRate { ppb_per_day },
            Self::Step(nanos) => Change::Step(Delta::from_nanos(nanos)),
        }
    }
}

fn fraction(above: i128, below: i128) -> BigRational {
    BigRational::new(above.into(), below.into())
}

/// A clock in exact fractions: its offset from the start, its rate, its
/// frequency error and the change of that, each in (or in one over)
/// nanoseconds.
struct Oracle {
    elapsed: i64,
    shown: BigRational,
    rate: BigRational,
    error: BigRational,
    change: BigRational,
}

impl Oracle {
    fn new() -> Self {
        Self {
            elapsed: 0,
            shown: fraction(0, 1),
            rate: fraction(1, 1),
            error: fraction(0, 1),
            change: fraction(0, 1),
        }
    }

    fn go_to(&mut self, elapsed: i64) {
        let span = fraction(i128::from(elapsed) - i128::from(self.elapsed), 1);
        let half = fraction(1, 2);
        let gained = &span * &self.error + &self.change * &span * &span * half;
        self.shown += &self.rate * (&span + gained);
        self.error += &self.change * span;
        self.elapsed = elapsed;
    }

    fn bend(&mut self, bend: Bend) {
        const BILLION: i128 = 1_000_000_000;
        match bend {
            Bend::Rate(above, below) => self.rate = fraction(above.into(), below.into()),
            Bend::Drift(ppb) => {
                self.error = fraction(ppb.into(), BILLION);
                self.change = fraction(0, 1);
            }
            Bend::DriftRate(ppb) => {
                self.change = fraction(ppb.into(), BILLION * 86_400 * BILLION);
            }
            Bend::Step(nanos) => self.shown += fraction(nanos.into(), 1),
        }
    }

    /// What it shows, rounded towards the past.
    fn time(&self) -> Timestamp {
        let nanos = self.shown.floor().to_integer();
        START + Delta::from_nanos(i64::try_from(nanos).expect("it is within the range"))
    }
}

/// Rates whose denominators divide the grid on which phases are kept.
fn bends() -> impl Strategy<Value = Bend> {
    prop_oneof![
        (
            -1_000_i64..1_000,
            prop::sample::select(vec![1_u64, 2, 5, 8, 10, 27, 1_000])
        )
            .prop_map(|(above, below)| Bend::Rate(above, below)),
        (-1_000_000_i64..1_000_000).prop_map(Bend::Drift),
        (-10_000_i64..10_000).prop_map(Bend::DriftRate),
        (-10_000_000_000_i64..10_000_000_000).prop_map(Bend::Step),
    ]
}

proptest! {
    #[test]
    fn a_clock_is_exact_whatever_rate_and_drift_it_had(
        bends in prop::collection::vec((0..10_000_000_000_000_i64, bends()), 0..12),
        ahead in 0..10_000_000_000_000_i64,
    ) {
        let mut oracle = Oracle::new();
        let mut events = Vec::new();
        let mut elapsed = 0;
        for (span, bend) in bends {
            elapsed += span;
            oracle.go_to(elapsed);
            oracle.bend(bend);
            events.push(after(Delta::from_nanos(elapsed), bend.change()));
        }
        oracle.go_to(elapsed + ahead);
        let clock = scripted(events);
        let time = clock.reading_at(Delta::from_nanos(elapsed + ahead)).time;
        prop_assert_eq!(time, oracle.time());
    }

    /// The drift is small enough for the clock not to leave its range.
    #[test]
    fn ten_years_of_drift_are_exact_to_the_nanosecond(
        ppb in -1_000_000_i64..1_000_000,
        ppb_per_day in -1_000_i64..1_000,
        at in 0..YEAR,
        elapsed in YEAR..10 * YEAR,
    ) {
        let bends = [Bend::Drift(ppb), Bend::DriftRate(ppb_per_day)];
        let mut oracle = Oracle::new();
        oracle.go_to(at);
        for bend in bends {
            oracle.bend(bend);
        }
        oracle.go_to(elapsed);
        let clock = scripted(bends.map(|bend| after(Delta::from_nanos(at), bend.change())).to_vec());
        prop_assert_eq!(clock.reading_at(Delta::from_nanos(elapsed)).time, oracle.time());
    }

    /// A denominator that does not fit the grid: within one rate the clock is
    /// exact all the same, whatever steps it takes.
    #[test]
    fn a_clock_at_any_one_rate_is_exact(
        above in -1_000_000_000_i64..1_000_000_000,
        below in 1_u64..1_000_000_000,
        elapsed in 1..1_000_000_000_i64,
        scale in 0_u32..9,
        part in 0.0..1.0,
        span in -10_000_000_000_i64..10_000_000_000,
    ) {
        let rate = Bend::Rate(above, below);
        let elapsed = elapsed * 10_i64.pow(scale);
        let at = (elapsed as f64 * part) as i64;
        let mut oracle = Oracle::new();
        oracle.bend(rate);
        oracle.go_to(at);
        oracle.bend(Bend::Step(span));
        oracle.go_to(elapsed);
        prop_assume!(i64::try_from(oracle.shown.floor().to_integer()).is_ok_and(|nanos| nanos.abs() < i64::MAX / 2));
        let clock = scripted(vec![
            after(Delta::ZERO, rate.change()),
            after(Delta::from_nanos(at), Bend::Step(span).change()),
        ]);
        prop_assert_eq!(clock.reading_at(Delta::from_nanos(elapsed)).time, oracle.time());
    }
}
