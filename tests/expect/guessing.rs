//! Whether ports and timestamps can be guessed.

use super::scene::{START, Scene, ms, random};
use timeball::api::{Delta, NtpTimestamp, Timestamp};
use timeball::protocol::ProtocolName;

/// A run of requests, a second apart, from these ports.
fn from_ports(expectation: &str, ports: impl IntoIterator<Item = u16>) -> Scene {
    let mut scene = Scene::new(expectation);
    for (index, port) in (0..).zip(ports) {
        scene.ask_as(1_000 * index, |record, _| record.peer.set_port(port));
    }
    scene
}

/// A run of requests, a second apart, with these transmit timestamps.
fn with_timestamps(expectation: &str, timestamps: impl IntoIterator<Item = u64>) -> Scene {
    let mut scene = Scene::new(expectation);
    for (index, bits) in (0..).zip(timestamps) {
        scene.ask_as(1_000 * index, |_, header| {
            header.transmit_timestamp = NtpTimestamp::from_bits(bits);
        });
    }
    scene
}

#[test]
fn random_ports_pass_in_every_run() {
    for requests in [5, 8, 64, 1024] {
        let mut scene = Scene::new(&format!("source_ports = {{ requests = {requests} }}"));
        for at_ms in 0..20_480 {
            scene.ask(at_ms);
        }
        scene.holds(20_480);
    }
}

#[test]
fn too_few_requests_say_nothing_of_ports_or_timestamps() {
    for kind in ["source_ports", "transmit_timestamps"] {
        let mut scene = Scene::new(&format!("{kind} = {{}}"));
        for at_ms in 0..7 {
            scene.ask(at_ms);
        }
        scene.is_not_tested(10, "no client asked 8 times");
        scene.ask(8);
        scene.holds(10);
    }
}

#[test]
fn one_port_for_all_requests_fails() {
    from_ports("source_ports = {}", [40_000; 8]).fails(
        9_000,
        8,
        "of 8 requests up to 8 the ports are only 1 different ones",
    );
}

#[test]
fn the_number_of_different_ports_is_a_sharp_bound() {
    let six = [
        50_000, 33_000, 41_000, 50_000, 60_000, 33_000, 35_000, 47_000,
    ];
    from_ports("source_ports = {}", six).holds(9_000);
    let five = [
        50_000, 33_000, 41_000, 50_000, 60_000, 33_000, 41_000, 47_000,
    ];
    from_ports("source_ports = {}", five).fails(
        9_000,
        8,
        "of 8 requests up to 8 the ports are only 5 different ones",
    );
    from_ports("source_ports = { distinct = 5 }", five).holds(9_000);
    from_ports("source_ports = { distinct = 7 }", six).fails(
        9_000,
        8,
        "of 8 requests up to 8 the ports are only 6 different ones",
    );
}

#[test]
fn one_port_may_be_kept_if_that_is_asked_for_and_it_is_not_123() {
    from_ports("source_ports = { distinct = 1 }", [40_000; 8]).holds(9_000);
    let scene = from_ports("source_ports = { distinct = 1 }", [40_000, 123]);
    scene.fails(9_000, 2, "request 2 comes from port 123");
}

#[test]
fn port_123_is_no_fault_of_another_protocol() {
    let mut scene = Scene::new("source_ports = { distinct = 1 }");
    for at_ms in 0..8 {
        scene.ask_as(at_ms, |record, _| {
            record.protocol = ProtocolName::Text;
            record.peer.set_port(123);
        });
    }
    scene.holds(10);
}

#[test]
fn ports_in_sequence_fail() {
    let why = |why| format!("of 8 requests up to 8 most ports are {why}");
    let up: Vec<u16> = (0..8).map(|index| 40_000 + 16 * index).collect();
    from_ports("source_ports = {}", up).fails(
        9_000,
        8,
        &why("among the next after the one before"),
    );
    let down: Vec<u16> = (0..8).map(|index| 40_000 - 16 * index).collect();
    from_ports("source_ports = {}", down).fails(
        9_000,
        8,
        &why("among the last below the one before"),
    );
    let step: Vec<u16> = (0..8).map(|index| 40_000 + 17 * index).collect();
    from_ports("source_ports = {}", step).fails(9_000, 8, &why("+17 from the one before"));
    // Four of seven steps are most, three are not.
    let four = [
        40_000, 40_001, 40_002, 50_000, 50_003, 33_000, 60_000, 60_001,
    ];
    from_ports("source_ports = {}", four).fails(
        9_000,
        8,
        &why("among the next after the one before"),
    );
    let three = [
        40_000, 40_001, 40_002, 50_000, 50_003, 33_000, 60_000, 61_000,
    ];
    from_ports("source_ports = {}", three).holds(9_000);
}

#[test]
fn half_of_the_steps_are_not_most() {
    let ports = "source_ports = { requests = 5 }";
    from_ports(ports, [40_000, 40_001, 40_002, 50_000, 33_000]).holds(9_000);
    from_ports(ports, [40_000, 41_000, 42_000, 50_000, 33_000]).holds(9_000);
    from_ports(ports, [40_000, 41_000, 42_000, 43_000, 33_000]).fails(
        9_000,
        5,
        "of 5 requests up to 5 most ports are +1000 from the one before",
    );
    const STEP: u64 = 0x1234_5678_9abc_def1;
    let counted = |count: u64| {
        let values = (0..5).map(move |index| match index {
            _ if index <= count => random(1).wrapping_add(STEP.wrapping_mul(index)),
            _ => random(index),
        });
        with_timestamps("transmit_timestamps = { requests = 5 }", values)
    };
    counted(2).holds(9_000);
    counted(3).fails(
        9_000,
        5,
        "of 5 requests up to 5 most transmit timestamps are one step from the one before",
    );
}

#[test]
fn each_run_of_requests_is_judged() {
    let mut ports: Vec<u16> = (0..5).map(|index| 33_000 + index * index * 500).collect();
    ports.extend([50_000; 5]);
    from_ports("source_ports = { requests = 5, distinct = 4 }", ports).fails(
        11_000,
        10,
        "of 5 requests up to 10 the ports are only 1 different ones",
    );
}

#[test]
fn random_timestamps_pass_in_every_run() {
    for requests in [5, 8, 64, 1024] {
        for bits in ["all-bits", "low-bits"] {
            let mut scene = Scene::new(&format!(
                "transmit_timestamps = {{ requests = {requests}, unpredictable = \"{bits}\" }}"
            ));
            for at_ms in 0..10_240 {
                scene.ask(at_ms);
            }
            scene.holds(20_480);
        }
    }
}

/// The bits of a time this long after the start of the run.
fn time(start: Timestamp, after: Delta) -> u64 {
    NtpTimestamp::from(start + after).to_bits()
}

fn why(why: &str) -> String {
    format!("of 8 requests up to 8 {why}")
}

#[test]
fn a_clock_is_seen_whatever_it_is_set_to() {
    // Mock time, the past, and beyond the end of the era.
    for start in
        [0, -1_500_000_000, 1_000_000_000].map(|seconds| START + Delta::from_seconds(seconds))
    {
        let mut scene = Scene::new("transmit_timestamps = {}");
        for index in 0..8 {
            let at_ms = 4_000 * index;
            // Random below a microsecond, as RFC 5905 has it.
            let entropy = scene.random() as u32;
            let bits = NtpTimestamp::from_bits(time(start, ms(at_ms + 17)));
            scene.ask_as(at_ms, |_, header| {
                header.transmit_timestamp = bits.with_random_below(-20, entropy);
            });
        }
        scene.fails(40_000, 8, &why("the transmit timestamp is that of a clock"));
    }
}

#[test]
fn one_second_off_is_a_clock_and_more_is_not() {
    // Eight values, of which the last two are `step` units apart, a second
    // after each other.
    let last_two_apart = |step: u64| {
        let mut values: Vec<u64> = (1..=7).map(random).collect();
        values.push(values[6].wrapping_add(step));
        with_timestamps("transmit_timestamps = {}", values)
    };
    const SECOND: u64 = 1 << 32;
    last_two_apart(2 * SECOND - 1).fails(
        9_000,
        8,
        &why("the transmit timestamp is that of a clock"),
    );
    // A second of difference and a second that passed: the sum is no clock.
    last_two_apart(2 * SECOND).fails_not();
    last_two_apart(SECOND.wrapping_neg()).fails_not();
    let near = why("two in a row have transmit timestamps less than a second apart");
    last_two_apart(SECOND - 1).fails(9_000, 8, &near);
    last_two_apart((SECOND - 1).wrapping_neg()).fails(9_000, 8, &near);
    last_two_apart(1).fails(9_000, 8, &near);
}

impl Scene {
    /// What was played gives no reason to fail.
    #[track_caller]
    fn fails_not(&self) {
        self.holds(9_000);
    }
}

#[test]
fn repeated_and_absent_timestamps_fail() {
    let values: Vec<u64> = (1..=8).map(random).collect();
    for expectation in [
        "transmit_timestamps = {}",
        "transmit_timestamps = { unpredictable = \"low-bits\" }",
    ] {
        with_timestamps(expectation, values.clone()).holds(9_000);
        let mut twice = values.clone();
        twice[6] = twice[1];
        with_timestamps(expectation, twice).fails(
            9_000,
            8,
            &why("two have the same transmit timestamp"),
        );
        let mut absent = values.clone();
        absent[3] = 0;
        with_timestamps(expectation, absent).fails(9_000, 8, &why("one has no transmit timestamp"));
    }
}

#[test]
fn a_counter_of_long_steps_fails() {
    let counter = (1..=8_u64).map(|index| index.wrapping_mul(0x1234_5678_9abc_def1));
    let most = why("most transmit timestamps are one step from the one before");
    with_timestamps("transmit_timestamps = {}", counter).fails(9_000, 8, &most);
}

#[test]
fn low_bits_that_stand_still_fail() {
    for expectation in [
        "transmit_timestamps = {}",
        "transmit_timestamps = { unpredictable = \"low-bits\" }",
    ] {
        let with_low = |distinct: u64| {
            let values = (1..=8_u64).map(|index| (random(index) & !0xffff) | (index % distinct));
            with_timestamps(expectation, values.collect::<Vec<_>>())
        };
        let low = why("most transmit timestamps end in the same low bits as others");
        with_low(3).fails(9_000, 8, &low);
        with_low(4).holds(9_000);
    }
}

#[test]
fn two_readings_near_mock_time_fail_and_one_does_not() {
    let mut values: Vec<u64> = (1..=8).map(random).collect();
    values[2] = time(START, Delta::from_seconds(3_590));
    with_timestamps("transmit_timestamps = {}", values.clone()).holds(9_000);
    values[5] = time(START, Delta::from_seconds(-3_590));
    with_timestamps("transmit_timestamps = {}", values.clone()).fails(
        9_000,
        8,
        &why("transmit timestamps are near the time that is served"),
    );
    values[5] = time(START, Delta::from_seconds(-3_610));
    with_timestamps("transmit_timestamps = {}", values).holds(9_000);
}

#[test]
fn a_clock_of_whole_microseconds_has_no_random_low_bits() {
    let expectation = "transmit_timestamps = { unpredictable = \"low-bits\" }";
    let micros =
        |index: i64| START + Delta::from_micros(1_000_000 * index + 137_219 * index * index + 3);
    // Rounded down, and up.
    for more in [0, 1] {
        let values: Vec<u64> = (1..=8)
            .map(|index| time(micros(index), Delta::ZERO) + more)
            .collect();
        with_timestamps(expectation, values).fails(
            9_000,
            8,
            &why("all transmit timestamps are whole microseconds"),
        );
    }
    // The same clock with random bits below the microsecond.
    let values: Vec<u64> = (1..=8)
        .map(|index| {
            let entropy = (index as u32).wrapping_mul(0x9e37_79b9);
            NtpTimestamp::from(micros(index))
                .with_random_below(-20, entropy)
                .to_bits()
        })
        .collect();
    with_timestamps(expectation, values).holds(9_000);
}

#[test]
fn what_is_not_ntp_has_no_timestamps() {
    let mut scene = Scene::new("transmit_timestamps = { requests = 5 }");
    for at_ms in 0..10 {
        scene.ask_as(at_ms, |record, _| record.protocol = ProtocolName::Time);
        scene.ask_as(at_ms, |record, _| record.octets = vec![0x23; 47]);
    }
    scene.is_not_tested(10, "no client asked 5 times");
}
