//! A source's forecast, in the words that the program reads.

use super::layout::clock::{self, state};
use super::{VALID, memory};
use crate::api::{
    Exchange, HostInstant, Monotonic, NtpTimestamp, Outcome, Protocol, Source, Stretch,
};
use crate::protocol::ntp::{Header, Ntp, header};
use crate::transport::bpf::SharedMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH_IN_NTP_SECONDS: i64 = 2_208_988_800;
/// The furthest moment that the program can compare with.
const NEVER: u64 = u64::MAX >> 1;

/// Writes what `source` will say, as `ntp` sends it, for the listener at `place`.
pub(super) fn feed(clocks: &SharedMap, place: usize, source: &Source, ntp: &Ntp, now: HostInstant) {
    let Some(forecast) = source.time.forecast(now) else {
        silence(clocks, place);
        return;
    };
    let first = state_words(&forecast.now, ntp, now.monotonic);
    let (switch_at, second) = forecast.next.map_or((NEVER, first), |(from, stretch)| {
        (nanos(from), state_words(&stretch, ntp, from))
    });
    write(clocks, place, |slot| {
        memory::set(slot, clock::VALID_UNTIL, nanos(now.monotonic + VALID));
        memory::set(slot, clock::SWITCH_AT, switch_at);
        for (index, words) in [first, second].into_iter().enumerate() {
            let from = clock::STATES + index * clock::STATE_WORDS;
            for (place, word) in (from..).zip(words) {
                memory::set(slot, place, word);
            }
        }
    });
}

/// Has the listener at `place` answer nothing.
pub(super) fn silence(clocks: &SharedMap, place: usize) {
    write(clocks, place, |slot| {
        memory::set(slot, clock::VALID_UNTIL, 0);
    });
}

fn write(clocks: &SharedMap, place: usize, fill: impl FnOnce(&[AtomicU64])) {
    let words = &clocks.words()[place * clock::WORDS..][..clock::WORDS];
    let (writes, slots) = (&words[0], &words[clock::SLOTS..]);
    memory::show(writes, slots, clock::SLOT_WORDS, |_, slot| fill(slot));
}

/// A moment as the program has it; before its clock's zero there is none.
fn nanos(moment: Monotonic) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(0)
}

/// What the reply says of the stretch, from the moment `from` on.
fn state_words(stretch: &Stretch, ntp: &Ntp, from: Monotonic) -> [u64; clock::STATE_WORDS] {
    let mut words = [0; clock::STATE_WORDS];
    let reading = stretch.read(from);
    let exchange = Exchange {
        receive: reading,
        transmit: reading,
        entropy: 0,
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
    };
    let asked = Header {
        mode: header::mode::CLIENT,
        version: 4,
        ..Header::default()
    };
    let mut reply = [0; header::LEN];
    if !matches!(
        ntp.respond(&asked.encode(), &exchange, &mut reply),
        Outcome::Reply { len: header::LEN }
    ) {
        return words; // no answer
    }
    let said = Header::decode(&reply);
    if said.transmit_timestamp.is_zero() {
        return words; // the sockets write zeros
    }
    let [first, stratum, _, precision, ..] = reply;
    let without_version = first & !0x38;
    words[state::ANSWERS] = 1;
    words[state::FIRST] = u32::from_le_bytes([without_version, stratum, 0, precision]).into();
    let delay = said.root_delay.to_bits().to_be_bytes();
    let id = said.reference_id.0;
    words[state::DELAY_AND_ID] =
        u64::from(u32::from_le_bytes(delay)) | (u64::from(u32::from_le_bytes(id)) << 32);
    words[state::REFERENCE] = said.reference_timestamp.to_bits();
    words[state::FROM] = from.as_nanos().cast_unsigned();
    let (seconds, subsecond) = reading.time.to_unix_parts();
    // A second goes to the nanoseconds.
    let seconds = seconds.wrapping_add(UNIX_EPOCH_IN_NTP_SECONDS - 1);
    words[state::SECONDS] = u64::from(seconds as u32);
    words[state::NANOS] = u64::from(subsecond) + 1_000_000_000;
    words[state::DRIFT] = stretch.drift_ppt.cast_unsigned();
    let all = NtpTimestamp::ZERO.with_random_below(said.precision_log2_s, u32::MAX);
    words[state::RANDOM] = all.to_bits();
    words[state::DISPERSION] = match stretch.dispersion_grows_in {
        None => u32::from_le_bytes(said.root_dispersion.to_bits().to_be_bytes()).into(),
        Some(_) => {
            let dispersion = stretch.reading.quality.root_dispersion.as_nanos();
            u64::try_from(dispersion).unwrap_or(0)
        }
    };
    words[state::GROWS_FROM] = stretch.from.as_nanos().cast_unsigned();
    words[state::GROWS_IN] = stretch
        .dispersion_grows_in
        .map_or(0, |nanos| nanos.get().into());
    words
}
