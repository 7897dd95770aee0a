//! Listeners that take the place of others: which of those that serve stands where one
//! is wanted, and how its sockets go from the one to the other.
//!
//! Datagrams that come in between wait in the socket; of a socket that is given up, what it
//! holds is answered first.

use super::StartError;
use super::listening::{Channel, Common, Opened, Serving, Wanted, change_receive_buffer};
use crate::actors::supervisor::{End, Supervisor};
use crate::metrics::{ShardCounters, Totals};
use crate::settings::{ListenerSettings, Place, conflict};
use crate::transport::udp::{share, turn_away};
use futures_util::future::join_all;
use tracing::warn;

/// A listener as it will be.
pub(super) struct Next {
    /// Which of those that serve is in its place, if one is.
    pub was: Option<usize>,
    pub settings: ListenerSettings,
    /// What is to be started; `None` leaves alone the one that serves.
    pub opened: Option<(super::BoundListener, Vec<Opened>)>,
}

/// For each of the listeners that are wanted, which of those that serve stands at
/// the same address. Where several ask for any port, they are taken in turn.
pub(super) fn matched(serving: &[Serving], wanted: &[ListenerSettings]) -> Vec<Option<usize>> {
    let mut is_taken = vec![false; serving.len()];
    let at = |listener: &ListenerSettings| (listener.address, listener.interface.clone());
    let find = |wanted: &ListenerSettings| {
        let free = |&index: &usize| !is_taken[index] && at(&serving[index].settings) == at(wanted);
        let found = (0..serving.len()).find(free)?;
        is_taken[found] = true;
        Some(found)
    };
    wanted.iter().map(find).collect()
}

/// Lets a new listener bind beside those that are about to be closed and have
/// its port; says whether there are any.
pub(super) fn make_room(
    serving: &[Serving],
    number: usize,
    listener: &ListenerSettings,
    matched: &[Option<usize>],
) -> Result<bool, StartError> {
    let is_going = |&(index, _): &(usize, &Serving)| !matched.contains(&Some(index));
    let mut beside = false;
    for (_, serving) in serving.iter().enumerate().filter(is_going) {
        let taken = Place {
            address: serving.told.address,
            interface: serving.settings.interface.as_deref(),
        };
        if conflict(place(listener), taken) {
            for channel in &serving.channels {
                share(&channel.socket).map_err(|error| StartError::Bind {
                    listener: number,
                    protocol: listener.protocol.name(),
                    address: listener.address,
                    error,
                })?;
            }
            beside = true;
        }
    }
    Ok(beside)
}

fn place(listener: &ListenerSettings) -> Place<'_> {
    Place {
        address: listener.address,
        interface: listener.interface.as_deref(),
    }
}

/// Opens what is wanted, each transport on its shard.
pub(super) async fn open_all(
    supervisor: &Supervisor,
    wanted: Vec<Option<Wanted<'_>>>,
    common: &Common<'_>,
) -> Result<Vec<Option<(super::BoundListener, Vec<Opened>)>>, StartError> {
    let mut all = Vec::new();
    for wanted in wanted {
        let Some(wanted) = wanted else {
            all.push(None);
            continue;
        };
        let told = wanted.told.clone();
        let mut opened = Vec::new();
        for (socket, counters, plan) in wanted.plans(common)? {
            let listener = supervisor.open(plan).await?;
            opened.push(Opened {
                socket,
                counters,
                listener,
            });
        }
        all.push(Some((told, opened)));
    }
    Ok(all)
}

/// Ends the listener that serves, if one does, and starts what was opened in its
/// place; leaves it alone where nothing was.
pub(super) async fn exchange(
    number: usize,
    serving: Option<Serving>,
    settings: ListenerSettings,
    opened: Option<(super::BoundListener, Vec<Opened>)>,
) -> Option<Serving> {
    let Some((told, opened)) = opened else {
        return serving.map(|serving| Serving {
            settings,
            ..serving
        });
    };
    let mut past = Totals::default();
    if let Some(serving) = serving {
        if settings.receive_buffer != serving.settings.receive_buffer {
            let sockets = opened.iter().map(|it| &*it.socket);
            change_receive_buffer(number, &settings, &told, sockets);
        }
        past += serving.past;
        let kept = opened.len();
        let ends = serving.channels.into_iter().enumerate();
        let ends = ends.map(|(index, channel)| async move {
            // Of a socket that is not kept, what it holds is answered.
            if index < kept {
                channel.started.end(End::HandOver).await;
                return None;
            }
            turn_away_from(&channel);
            channel.started.end(End::Drain).await;
            Some(channel.counters)
        });
        for counters in join_all(ends).await.into_iter().flatten() {
            counters.add_to(&mut past);
        }
    }
    let mut channels = Vec::new();
    for Opened {
        socket,
        counters,
        listener,
    } in opened
    {
        channels.push(Channel {
            socket,
            counters,
            started: listener.start().await,
        });
    }
    Some(Serving {
        settings,
        told,
        channels,
        past,
        // Told by `accelerate`.
        in_driver: None,
    })
}

/// What comes to this socket from now on goes to another at its port, if there is
/// one; so nothing comes behind what is answered last.
pub(super) fn turn_away_from(channel: &Channel) {
    if let Err(error) = turn_away(&channel.socket) {
        warn!(%error, "a socket that is given up still takes datagrams, which are lost");
    }
}

/// Ends these and gives what they counted; and whether all were done in time.
pub(super) async fn end_all(listeners: Vec<Serving>, how: End) -> (Totals, bool) {
    let ends = listeners.into_iter().map(|serving| async move {
        let channels = serving.channels.into_iter().map(|channel| async move {
            let is_done = channel.started.end(how).await;
            (channel.counters, is_done)
        });
        let mut past = serving.past;
        if let Some(counted) = &serving.in_driver {
            counted.add_to(&mut past);
        }
        (past, join_all(channels).await)
    });
    let mut totals = Totals::default();
    let mut is_done = true;
    for (past, channels) in join_all(ends).await {
        totals += past;
        for (counters, was_in_time) in channels {
            ShardCounters::add_to(&counters, &mut totals);
            is_done &= was_in_time;
        }
    }
    (totals, is_done)
}
