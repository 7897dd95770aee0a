//! How good the mock says that its time is.

use crate::{SECOND, START, read};
use timeball_api::{Delta, LeapIndicator, Quality, ReferenceId, Timestamp};
use timeball_mock::MockClock;

#[test]
fn by_default_it_is_a_perfect_clock_of_stratum_1_marked_as_test_time() {
    let quality = read(&MockClock::manual(START).source()).quality;
    let expected = Quality {
        reference_timestamp: Some(START),
        ..Quality::default()
    };
    assert_eq!(quality, expected);
    assert_eq!(quality.stratum, 1);
    assert_eq!(quality.reference_id, ReferenceId::TEST);
}

#[test]
fn the_default_reference_timestamp_is_never_later_than_the_reading() {
    let clock = MockClock::manual(START);
    let source = clock.source();
    clock.advance(SECOND);
    assert_eq!(read(&source).quality.reference_timestamp, Some(START));
    clock.advance(-SECOND - SECOND);
    let earlier = START - SECOND;
    assert_eq!(read(&source).quality.reference_timestamp, Some(earlier));
    assert_eq!(clock.quality().reference_timestamp, Some(earlier));
}

#[test]
fn a_quality_that_is_set_is_given_to_the_letter() {
    let clock = MockClock::per_request(START, SECOND);
    let source = clock.source();
    for reference_timestamp in [None, Some(Timestamp::MAX), Some(Timestamp::MIN)] {
        let quality = Quality {
            leap_indicator: LeapIndicator::Unsynchronised,
            stratum: 16,
            precision_log2_s: 3,
            reference_id: ReferenceId(*b"GPS\0"),
            reference_timestamp,
            root_delay: Delta::from_seconds(1),
            root_dispersion: Delta::from_seconds(2),
        };
        clock.set_quality(quality);
        assert_eq!(read(&source).quality, quality);
        assert_eq!(clock.quality(), quality);
        assert_eq!(read(&source).time, START, "the time is another matter");
    }
}
