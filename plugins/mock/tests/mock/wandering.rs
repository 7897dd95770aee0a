//! Noise: its moments, and the Allan deviations that theory gives it.
//!
//! The theory is that of W. J. Riley, Handbook of Frequency Stability Analysis,
//! NIST Special Publication 1065, 2008: tables 2 and 3 for the slopes and the
//! levels of power-law noise, chapter 5 for the estimators. All of it is
//! deterministic; a bound says how far an estimate of so many samples strays.

use crate::stability::{allan_variance, modified_allan_variance, slope};
use crate::{DAY, NANOSECOND, SECOND, START, after, from_start, scripted, scripted_from, serve};
use timeball_api::{Delta, Quality};
use timeball_mock::{Base, Change, MockClock, Script, Wander};

const MILLISECOND: Delta = Delta::from_millis(1);
const WHITE: Wander = Wander {
    white_phase: MILLISECOND,
    ..Wander::NONE
};
const FLICKER: Wander = Wander {
    flicker_phase: MILLISECOND,
    ..Wander::NONE
};
const WALK: Wander = Wander {
    random_walk_frequency_ppb: 1_000,
    ..Wander::NONE
};

fn wandering(seed: u64, wander: Wander) -> MockClock {
    let events = vec![from_start(Change::Wander(wander))];
    let script = Script { seed, events };
    let host = MockClock::manual(START).source().clock;
    MockClock::scripted(START, Quality::default(), Base::Manual, script, host)
}

/// The offsets at `count` moments, `step` apart, in nanoseconds.
fn phases(clock: &MockClock, count: i64, step: Delta) -> Vec<f64> {
    let phase = |n| clock.offset_at(step * n).as_nanos() as f64;
    (0..count).map(phase).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares = values.iter().map(|value| (value - mean).powi(2));
    squares.sum::<f64>() / values.len() as f64
}

/// `value` lies within this part of `expected`.
fn assert_near(value: f64, expected: f64, part: f64, what: &str) {
    let off = value / expected - 1.0;
    assert!(
        off.abs() <= part,
        "{what}: {value}, not {expected}: off by {off:.3}"
    );
}

#[test]
fn white_phase_noise_has_its_mean_and_variance_at_every_moment() {
    let clock = wandering(1, WHITE);
    // On the grid, off it, and between two points of it.
    for step in [
        SECOND,
        Delta::from_millis(2_137),
        Delta::from_nanos(2_500_000_001),
    ] {
        let phases = phases(&clock, 100_000, step);
        // Five standard errors of 100 000 independent samples of 1e6 ns.
        assert!(mean(&phases).abs() < 5e6 / 100_000_f64.sqrt(), "{step:?}");
        assert_near(variance(&phases), 1e12, 0.022, "the variance");
        let bound = 1e6 * 24_f64.sqrt() * 2_f64.sqrt() + 1.0;
        assert!(phases.iter().all(|phase| phase.abs() <= bound));
    }
}

/// Table 2: slope -1 of the Allan deviation, -3/2 of the modified one. The level
/// follows from the definition: the variance of x(2) - 2 x(1) + x(0) is 6 times
/// that of x.
#[test]
fn white_phase_noise_has_the_allan_deviation_of_white_phase_noise() {
    let phases = phases(&wandering(2, WHITE), 1 << 16, SECOND);
    let (mut plain, mut modified) = (Vec::new(), Vec::new());
    for m in (0..10).map(|log2| 1 << log2) {
        let tau = m as f64 * 1e9;
        let level = allan_variance(&phases, m, 1e9);
        // 2^16 samples; at most one in 1.94 of the squares is independent.
        assert_near(level, 3e12 / tau.powi(2), 0.05, "AVAR");
        plain.push((tau, level.sqrt()));
        modified.push((tau, modified_allan_variance(&phases, m, 1e9).sqrt()));
    }
    assert!((slope(&plain) + 1.0).abs() < 0.01, "{}", slope(&plain));
    assert!(
        (slope(&modified) + 1.5).abs() < 0.03,
        "{}",
        slope(&modified)
    );
}

/// Table 2: slope -1 of the modified Allan deviation, so that the time deviation
/// is flat. Table 3: tau^2 times the Allan variance grows with the logarithm of
/// tau, so its deviation falls a little more slowly than 1 / tau.
#[test]
fn flicker_phase_noise_has_the_allan_deviation_of_flicker_phase_noise() {
    let mut modified = Vec::new();
    let mut plain = Vec::new();
    let seeds = 4;
    let runs: Vec<_> = (0..seeds)
        .map(|seed| phases(&wandering(seed, FLICKER), 1 << 16, SECOND))
        .collect();
    let mean_over = |estimate: &dyn Fn(&[f64]) -> f64| {
        runs.iter().map(|run| estimate(run)).sum::<f64>() / seeds as f64
    };
    for m in (2..11).map(|log2| 1 << log2) {
        let tau = m as f64;
        modified.push((
            tau,
            mean_over(&|run| modified_allan_variance(run, m, 1.0)).sqrt(),
        ));
        plain.push((tau, mean_over(&|run| allan_variance(run, m, 1.0)).sqrt()));
    }
    assert!(
        (slope(&modified) + 1.0).abs() < 0.05,
        "{}",
        slope(&modified)
    );
    let flat: Vec<_> = modified
        .iter()
        .map(|(tau, deviation)| tau * deviation)
        .collect();
    let middle = mean(&flat);
    for level in &flat {
        // A sum over octaves has a ripple, and the largest tau has 2^16 / 2^10
        // samples in each of four runs.
        assert_near(*level, middle, 0.15, "TDEV");
    }
    let falling = slope(&plain);
    assert!((-0.97..-0.80).contains(&falling), "{falling}");
    let grown: Vec<_> = plain
        .iter()
        .map(|(tau, deviation)| (tau * deviation).powi(2))
        .collect();
    let growths: Vec<_> = grown.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for growth in &growths {
        assert_near(
            *growth,
            mean(&growths),
            0.5,
            "the growth of tau^2 AVAR in an octave",
        );
    }
}

#[test]
fn flicker_phase_noise_has_its_mean_and_variance_over_many_runs() {
    let runs = 4_000;
    for elapsed in [Delta::ZERO, Delta::from_millis(777_777), DAY * 3] {
        let phase = |seed| wandering(seed, FLICKER).offset_at(elapsed).as_nanos() as f64;
        let phases: Vec<_> = (0..runs).map(phase).collect();
        assert!(mean(&phases).abs() < 5e6 / (runs as f64).sqrt());
        // Five standard errors: 5 sqrt(2 / 4 000).
        assert_near(variance(&phases), 1e12, 0.112, "the variance");
    }
}

/// Table 2: slope +1/2. With a frequency whose variance grows by D a second the
/// Allan variance is D tau / 3 (table 3, where D is 2 pi^2 h_-2).
#[test]
fn random_walk_frequency_noise_has_the_allan_deviation_of_its_kind() {
    let seeds = 16;
    let runs: Vec<_> = (0..seeds)
        .map(|seed| phases(&wandering(seed, WALK), 1 << 14, SECOND * 16))
        .collect();
    let mut deviations = Vec::new();
    for m in (0..9).map(|log2| 1 << log2) {
        let tau = m as f64 * 16.0;
        let level = runs
            .iter()
            .map(|run| allan_variance(run, m, 16e9))
            .sum::<f64>();
        let level = level / seeds as f64;
        // 1 000 ppb after a day of 86 400 s; 16 runs of 2^14 / m samples.
        let expected = 1e-12 / 86_400.0 * tau / 3.0;
        assert_near(level, expected, 0.02 + 0.01 * (m as f64).sqrt(), "AVAR");
        deviations.push((tau, level.sqrt()));
    }
    let rising = slope(&deviations);
    assert!((rising - 0.5).abs() < 0.02, "{rising}");
}

/// The construction halves the time again and again; no moment may show that.
#[test]
fn random_walk_frequency_noise_is_the_same_around_every_moment() {
    let runs = 3_000;
    for (begin, span) in [
        (0, 1),
        (1, 7),
        (255, 1),
        (256, 256),
        (1_000, 48),
        (65_535, 2),
        (86_400, 86_400),
    ] {
        let differences: Vec<_> = (0..runs)
            .map(|seed| {
                let clock = wandering(seed, WALK);
                let [a, b, c] = [0, 1, 2].map(|n| {
                    let elapsed = SECOND * (begin + n * span);
                    clock.offset_at(elapsed).as_nanos() as f64
                });
                a - 2.0 * b + c
            })
            .collect();
        // 2 tau^2 AVAR, and what three roundings to 1 ns add: 6 / 12.
        let tau = span as f64;
        let expected = 2.0 * (tau * 1e9).powi(2) * 1e-12 / 86_400.0 * tau / 3.0 + 0.5;
        // Five standard errors: 5 sqrt(2 / 3 000).
        assert_near(
            variance(&differences),
            expected,
            0.13,
            &format!("{begin} s, {span} s"),
        );
    }
}

#[test]
fn the_frequency_has_walked_as_far_as_it_was_told_after_one_day_and_after_four() {
    let runs = 4_000;
    for (days, ppb) in [(1, 1_000.0), (4, 2_000.0)] {
        let frequencies: Vec<_> = (0..runs)
            .map(|seed| {
                let clock = wandering(seed, WALK);
                let later = clock.offset_at(DAY * days + SECOND);
                (later - clock.offset_at(DAY * days)).as_nanos() as f64
            })
            .collect();
        assert!(mean(&frequencies).abs() < 5.0 * ppb / (runs as f64).sqrt());
        // In a second, 1 ppb gains 1 ns. Five standard errors.
        assert_near(variance(&frequencies), ppb * ppb, 0.112, "the variance");
    }
}

#[test]
fn a_walk_begins_at_rest_where_the_clock_stands() {
    for seed in 0..100 {
        let clock = wandering(
            seed,
            Wander {
                random_walk_frequency_ppb: 1_000_000,
                ..WALK
            },
        );
        assert_eq!(clock.offset_at(Delta::ZERO), Delta::ZERO);
        assert!(clock.offset_at(MILLISECOND).abs() <= Delta::from_micros(1));
    }
}

#[test]
fn a_walk_of_ten_times_the_deviation_goes_ten_times_as_far() {
    let ten = Wander {
        random_walk_frequency_ppb: 10_000,
        ..WALK
    };
    for elapsed in [DAY, DAY * 365, DAY * 36_500] {
        for seed in 0..50 {
            let one = wandering(seed, WALK).offset_at(elapsed).as_nanos() as f64;
            let ten = wandering(seed, ten).offset_at(elapsed).as_nanos() as f64;
            assert!(
                (ten - 10.0 * one).abs() <= 6.0 + ten.abs() * 1e-8,
                "{one} and {ten}"
            );
        }
    }
}

#[test]
fn the_interval_of_a_walk_is_no_part_of_its_level() {
    let runs = 2_000;
    for interval in [Delta::from_micros(1), MILLISECOND, SECOND * 64] {
        let wander = Wander { interval, ..WALK };
        let moments = [DAY, DAY + SECOND * 512, DAY + SECOND * 1_024];
        let differences: Vec<_> = (0..runs)
            .map(|seed| {
                let clock = wandering(seed, wander);
                let [a, b, c] = moments.map(|at| clock.offset_at(at).as_nanos() as f64);
                a - 2.0 * b + c
            })
            .collect();
        let expected = 2.0 * 512e9_f64.powi(2) * 1e-12 / 86_400.0 * 512.0 / 3.0;
        assert_near(
            variance(&differences),
            expected,
            0.16,
            &format!("{interval:?}"),
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_noise_in_any_order_and_another_seed_another() {
    for wander in [WHITE, FLICKER, WALK] {
        let (clock, again, other) = (
            wandering(5, wander),
            wandering(5, wander),
            wandering(6, wander),
        );
        let moments = (1..1_000).map(|n| Delta::from_nanos(987_654_321) * n);
        let mut differ = 0;
        for moment in moments.clone().rev() {
            let _ = again.reading_at(moment);
            differ += usize::from(clock.reading_at(moment) != other.reading_at(moment));
        }
        for moment in moments {
            assert_eq!(clock.reading_at(moment), again.reading_at(moment));
        }
        assert!(differ > 990, "{wander:?}: {differ}");
    }
}

/// Where a digit of this changes, every scenario with noise changes its bytes.
#[test]
fn the_noise_of_a_seed_is_the_same_in_every_version_and_on_every_machine() {
    let wander = Wander {
        white_phase: MILLISECOND,
        flicker_phase: MILLISECOND,
        random_walk_frequency_ppb: 1_000_000,
        interval: SECOND,
    };
    let clock = wandering(42, wander);
    let offsets = [
        0,
        1_500_000_000,
        86_400_000_000_000,
        315_576_000_000_000_000,
    ]
    .map(|elapsed| clock.offset_at(Delta::from_nanos(elapsed)).as_nanos());
    assert_eq!(
        offsets,
        [516_662, -115_189, 59_447_373_143, -2_445_294_178_944_229]
    );
}

#[test]
fn two_noises_of_one_script_have_nothing_to_do_with_each_other() {
    let clock = scripted(vec![
        from_start(Change::Wander(WHITE)),
        after(DAY, Change::Wander(WHITE)),
    ]);
    let pairs: Vec<_> = (0..10_000)
        .map(|n| [SECOND * n, DAY + SECOND * n].map(|at| clock.offset_at(at).as_nanos() as f64))
        .collect();
    let product = pairs.iter().map(|[a, b]| a * b / 1e12).sum::<f64>() / 10_000.0;
    assert!(product.abs() < 0.05, "{product}");
}

#[test]
fn noise_that_ends_leaves_the_clock_where_it_had_walked_to() {
    let both = Wander {
        white_phase: MILLISECOND,
        ..WALK
    };
    let clock = scripted(vec![
        from_start(Change::Wander(both)),
        after(DAY, Change::Wander(Wander::NONE)),
    ]);
    let walk = scripted(vec![from_start(Change::Wander(WALK))]);
    let stays = walk.offset_at(DAY);
    assert_ne!(stays, Delta::ZERO);
    for elapsed in [DAY, DAY + NANOSECOND, DAY * 10] {
        assert_eq!(clock.offset_at(elapsed), stays);
    }
}

#[test]
fn noise_is_continuous() {
    let wander = Wander {
        flicker_phase: MILLISECOND,
        ..WHITE
    };
    let clock = wandering(3, wander);
    for n in 0..100_000 {
        let at = Delta::from_nanos(12_345_677) * n;
        let moved = clock.offset_at(at + Delta::from_micros(1)) - clock.offset_at(at);
        // A quarter of a turn a second, 7 deviations high at most for the white
        // part and less than 4 times that for the flicker, of 1 ms in 1 us.
        assert!(moved.abs() <= Delta::from_nanos(60), "{moved:?}");
    }
}

#[test]
fn a_walk_is_continuous_and_so_is_its_frequency() {
    let wander = Wander {
        random_walk_frequency_ppb: 1_000_000,
        ..WALK
    };
    let clock = wandering(4, wander);
    let step = Delta::from_millis(1);
    // What it gains in a millisecond.
    let gained = |at| (clock.offset_at(at + step) - clock.offset_at(at)).as_nanos();
    for n in 1..100_000 {
        let at = Delta::from_nanos(36_543_210) * n;
        // In its first hour the frequency stays below five deviations of an
        // hour, which is 1 020 ppm.
        assert!(gained(at).abs() <= 1_021, "{at:?}");
        // It changes by 3.4 ppm a second, one deviation, and by some times that
        // within one; three readings are rounded.
        assert!((gained(at) - gained(at - step)).abs() <= 2, "{at:?}");
    }
}

#[test]
fn a_reply_is_never_sent_before_its_request_came_though_the_clock_is_noisy() {
    let wander = Wander {
        white_phase: MILLISECOND,
        flicker_phase: MILLISECOND,
        random_walk_frequency_ppb: 100_000,
        interval: SECOND,
    };
    let events = vec![from_start(Change::Wander(wander))];
    let clock = scripted_from(START, Base::PerRequest(Delta::from_millis(37)), events);
    let source = clock.source();
    for _ in 0..10_000 {
        let elapsed = clock.elapsed();
        let later = clock.reading_at(elapsed + Delta::from_micros(50)).time;
        assert!(serve(&source).0 < later);
    }
}

#[test]
fn no_noise_is_too_large_or_too_fine() {
    for (deviation, ppb, interval) in [
        (Delta::MAX, i64::MAX, Delta::MAX),
        (Delta::MIN, i64::MIN, Delta::MIN),
        (SECOND, 1, NANOSECOND),
        (SECOND, i64::MAX, NANOSECOND),
        (SECOND, 1, DAY * 2),
    ] {
        let clock = wandering(
            1,
            Wander {
                white_phase: deviation,
                flicker_phase: deviation,
                random_walk_frequency_ppb: ppb,
                interval,
            },
        );
        for elapsed in [
            Delta::MIN,
            -NANOSECOND,
            Delta::ZERO,
            NANOSECOND,
            DAY,
            Delta::MAX,
        ] {
            let _ = clock.reading_at(elapsed);
        }
    }
}
