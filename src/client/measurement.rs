//! What one exchange says of the two clocks. RFC 5905 sections 8 and A.5.1.1,
//! RFC 868. Pure.

use crate::api::{Delta, HostInstant, NtpTimestamp, Timestamp};
use crate::protocol::ntp::Header;

/// How fast an undisciplined clock may drift, in parts per million: RFC 5905's
/// `TOLERANCE`, section 7.2.
const TOLERANCE_PPM: i128 = 15;

/// Offset, delay and dispersion of one NTP exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// How far the server's clock is ahead of the host's.
    pub offset: Delta,
    /// Round trip on the network: at least what the host's clock can tell.
    pub delay: Delta,
    /// Bound on the error of reading the two clocks, and of their drift in the
    /// meantime.
    pub dispersion: Delta,
    /// Round trip from the server to its reference clock, as it says.
    pub root_delay: Delta,
    /// Bound on the server's error, as it says.
    pub root_dispersion: Delta,
    /// How far the host's clock was stepped while the reply was awaited.
    pub stepped: Delta,
    /// By how much longer the server claims to have held the request than the
    /// whole exchange took; zero for an honest one.
    pub held_too_long: Delta,
}

impl Measurement {
    /// The figures of an exchange: the host's clocks when the request left and
    /// when the reply arrived, and the reply between the two.
    ///
    /// The round trip is taken from the monotonic clock, and the offset holds
    /// against the realtime clock as it stood when the reply arrived: a step of
    /// the host's clock in between spoils neither. The era of the server's
    /// timestamps is the one nearest the host's clock.
    #[must_use]
    pub fn of(
        left: HostInstant,
        reply: &Header,
        arrived: HostInstant,
        precision_log2_s: i8,
    ) -> Self {
        let elapsed = (arrived.monotonic - left.monotonic).max(Delta::ZERO);
        let origin = arrived.realtime - elapsed;
        let receive = reply.receive_timestamp.near(origin);
        let transmit = reply.transmit_timestamp.near(receive);
        let held = transmit - receive;
        let there = nanos(receive - origin);
        let back = nanos(transmit - arrived.realtime);
        let measured_delay = elapsed - held;
        let local_precision = power_of_two(precision_log2_s);
        let drift = (nanos(elapsed) * TOLERANCE_PPM)
            .unsigned_abs()
            .div_ceil(1_000_000);
        let dispersion = power_of_two(reply.precision_log2_s)
            + local_precision
            + Delta::from_nanos(i64::try_from(drift).unwrap_or(i64::MAX));
        Self {
            offset: delta((there + back) / 2),
            delay: measured_delay.max(local_precision),
            dispersion,
            root_delay: reply.root_delay.into(),
            root_dispersion: reply.root_dispersion.into(),
            stepped: (arrived.realtime - left.realtime) - (arrived.monotonic - left.monotonic),
            held_too_long: (-measured_delay).max(Delta::ZERO),
        }
    }

    /// Bound on the offset's error against the server's reference clock: half
    /// of both round trips, and both dispersions. RFC 5905 section A.5.5.2,
    /// without the jitter of several samples and without its floor.
    #[must_use]
    pub fn root_distance(&self) -> Delta {
        let round_trips = self.root_delay + self.delay;
        Delta::from_nanos(round_trips.as_nanos() / 2) + self.root_dispersion + self.dispersion
    }
}

/// What a reply of the Time protocol says: it tells whole seconds, so the
/// offset is known to half a second and half the round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondMeasurement {
    /// The second that the reply tells.
    pub time: Timestamp,
    /// How far the middle of that second is ahead of the host's clock at the
    /// middle of the exchange.
    pub offset: Delta,
    /// How far the true offset may lie from that.
    pub uncertainty: Delta,
    /// Round trip, the server's own time included.
    pub delay: Delta,
}

impl SecondMeasurement {
    /// The figures of an exchange whose reply told the second `time`.
    #[must_use]
    pub fn of(left: HostInstant, time: Timestamp, arrived: HostInstant) -> Self {
        const HALF_A_SECOND: Delta = Delta::from_millis(500);
        let elapsed = (arrived.monotonic - left.monotonic).max(Delta::ZERO);
        let half = Delta::from_nanos(elapsed.as_nanos() / 2);
        let middle = arrived.realtime - half;
        Self {
            time,
            offset: (time + HALF_A_SECOND) - middle,
            uncertainty: HALF_A_SECOND + half,
            delay: elapsed,
        }
    }

    /// The least offset that the reply allows for: zero when the host's clock
    /// may be right.
    #[must_use]
    pub fn least_offset(&self) -> Delta {
        (self.offset.abs() - self.uncertainty).max(Delta::ZERO)
    }
}

/// The point of UTC that a server's timestamp means, seen from `pivot`; `None`
/// for the zero that stands for unknown.
#[must_use]
pub fn utc(timestamp: NtpTimestamp, pivot: Timestamp) -> Option<Timestamp> {
    (!timestamp.is_zero()).then(|| timestamp.near(pivot))
}

/// 2 to the power of `log2_s`, in seconds; rounds up, saturates.
fn power_of_two(log2_s: i8) -> Delta {
    const NANOS_PER_SECOND: i64 = 1_000_000_000;
    let shift = u32::from(log2_s.unsigned_abs());
    let nanos = match log2_s {
        // 2^33 s are 272 years, the most that a span holds.
        34.. => i64::MAX,
        0..=33 => NANOS_PER_SECOND << shift,
        -30..=-1 => (NANOS_PER_SECOND as u64).div_ceil(1 << shift) as i64,
        _ => 1,
    };
    Delta::from_nanos(nanos)
}

fn nanos(span: Delta) -> i128 {
    span.as_nanos().into()
}

fn delta(nanos: i128) -> Delta {
    Delta::from_nanos(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Monotonic, NtpShort};
    use proptest::prelude::*;

    fn host(realtime: i64, monotonic: i64) -> HostInstant {
        HostInstant {
            realtime: Timestamp::from_nanos(realtime),
            monotonic: Monotonic::from_nanos(monotonic),
            request: None,
        }
    }

    fn reply(receive: i64, transmit: i64) -> Header {
        Header {
            receive_timestamp: Timestamp::from_nanos(receive).into(),
            transmit_timestamp: Timestamp::from_nanos(transmit).into(),
            precision_log2_s: -20,
            ..Header::default()
        }
    }

    /// 2026-11-22, on the server.
    const NOON: i64 = 1_795_305_600_000_000_000;

    #[test]
    fn the_four_timestamps_give_offset_and_delay() {
        // Worked by hand from RFC 5905 section 8, in milliseconds: T1 = 0,
        // T2 = 130, T3 = 140, T4 = 70: offset ((130 - 0) + (140 - 70)) / 2,
        // delay (70 - 0) - (140 - 130).
        const MS: i64 = 1_000_000;
        let left = host(NOON, 5);
        let arrived = host(NOON + 70 * MS, 5 + 70 * MS);
        let got = Measurement::of(left, &reply(NOON + 130 * MS, NOON + 140 * MS), arrived, -25);
        assert_eq!(got.offset, Delta::from_millis(100));
        assert_eq!(got.delay, Delta::from_millis(60));
        // 2^-20 s, 2^-25 s, and 15 ppm of 70 ms, each rounded up.
        assert_eq!(got.dispersion, Delta::from_nanos(954 + 30 + 1050));
        assert_eq!(got.stepped, Delta::ZERO);
    }

    #[test]
    fn a_step_of_the_host_clock_in_between_spoils_neither_offset_nor_delay() {
        let left = host(NOON, 0);
        let stepped = host(NOON + 3_600_000_000_000 + 2_000, 2_000);
        let got = Measurement::of(left, &reply(NOON + 1_000, NOON + 1_000), stepped, -30);
        assert_eq!(got.delay, Delta::from_nanos(2_000));
        assert_eq!(got.offset, Delta::from_seconds(-3_600));
        assert_eq!(got.stepped, Delta::from_seconds(3_600));
    }

    #[test]
    fn the_turn_of_an_era_between_the_two_clocks_is_one_second_like_another() {
        // 2036-02-07 06:28:16 UTC is era 1, second 0.
        let turn = 2_085_978_496_000_000_000;
        for (ours, theirs) in [(turn - 500, turn + 500), (turn + 500, turn - 500)] {
            let left = host(ours - 100, 0);
            let arrived = host(ours + 100, 200);
            let got = Measurement::of(left, &reply(theirs, theirs), arrived, -30);
            assert_eq!(got.offset, Delta::from_nanos(theirs - ours));
        }
    }

    #[test]
    fn a_server_that_held_the_request_longer_than_the_exchange_took_is_found_out() {
        let arrived = host(NOON + 1_000, 1_000);
        let got = Measurement::of(host(NOON, 0), &reply(NOON, NOON + 5_000), arrived, -29);
        assert_eq!(got.held_too_long, Delta::from_nanos(4_000));
        assert_eq!(got.delay, power_of_two(-29));
    }

    #[test]
    fn the_root_distance_is_half_the_delays_and_all_the_dispersions() {
        let header = Header {
            root_delay: NtpShort::from_bits(1 << 16),
            root_dispersion: NtpShort::from_bits(1 << 15),
            ..reply(NOON, NOON)
        };
        let got = Measurement::of(host(NOON, 0), &header, host(NOON + 2_000, 2_000), -30);
        let by_hand = 500_000_000 + 1_000 + 500_000_000 + 954 + 1 + 1;
        assert_eq!(got.root_distance(), Delta::from_nanos(by_hand));
    }

    #[test]
    fn every_precision_is_a_span_and_none_shrinks() {
        for log2_s in i8::MIN..=i8::MAX {
            let exact = 2_f64.powi(log2_s.into());
            let span = power_of_two(log2_s).as_seconds_f64();
            assert!(span >= exact || log2_s > 33, "2^{log2_s} became {span}");
            assert!(
                span - exact <= 1e-9 || log2_s > 23,
                "2^{log2_s} became {span}"
            );
        }
    }

    #[test]
    fn a_whole_second_leaves_half_a_second_of_doubt() {
        let second = Timestamp::from_nanos(NOON);
        let left = host(NOON + 200_000_000, 0);
        let arrived = host(NOON + 400_000_000, 200_000_000);
        let got = SecondMeasurement::of(left, second, arrived);
        assert_eq!(got.offset, Delta::from_millis(200));
        assert_eq!(got.uncertainty, Delta::from_millis(600));
        assert_eq!(got.least_offset(), Delta::ZERO);
        let late = SecondMeasurement::of(left, second + Delta::from_seconds(-3), arrived);
        assert_eq!(late.least_offset(), Delta::from_millis(2_200));
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_says_panics_or_makes_a_bound_negative(
            realtime in any::<[i64; 2]>(), monotonic in any::<[i64; 2]>(),
            octets in any::<[u8; 24]>(), more in any::<[u8; 24]>(), precision in any::<i8>(),
        ) {
            let mut header = [0; 48];
            header[..24].copy_from_slice(&octets);
            header[24..].copy_from_slice(&more);
            let left = host(realtime[0], monotonic[0]);
            let arrived = host(realtime[1], monotonic[1]);
            let got = Measurement::of(left, &Header::decode(&header), arrived, precision);
            prop_assert!(got.delay > Delta::ZERO && got.dispersion > Delta::ZERO);
            prop_assert!(got.root_distance() > Delta::ZERO);
        }

        #[test]
        fn a_right_clock_over_a_symmetric_path_has_no_offset(
            start in 0_i64..9_000_000_000_000_000_000, there in 0_i64..1_000_000_000,
            held in 0_i64..1_000_000_000, wrong in -1_000_000_000_000_i64..1_000_000_000_000,
        ) {
            let receive = start + there + wrong;
            let left = host(start, 0);
            let elapsed = there + held + there;
            let arrived = host(start + elapsed, elapsed);
            let got = Measurement::of(left, &reply(receive, receive + held), arrived, -30);
            prop_assert!((got.offset.as_nanos() - wrong).abs() <= 1, "{got:?}");
            prop_assert!((got.delay.as_nanos() - 2 * there).abs() <= 1, "{got:?}");
        }
    }
}
