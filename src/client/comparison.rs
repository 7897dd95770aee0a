//! Which of several servers is wrong. Pure.
//!
//! Each server's true offset lies within an interval around the measured one.
//! Where the intervals of most servers have a point in common, those servers
//! may all be right, and one whose interval lies elsewhere is not: RFC 5905
//! section 11.2.1.

use crate::api::Delta;

/// What a server's offset is known to lie within: `offset` give or take
/// `distance`, which is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// How far the server's clock is ahead of the host's.
    pub offset: Delta,
    /// How far the true offset may lie from that.
    pub distance: Delta,
}

impl Interval {
    /// Where the interval begins.
    #[must_use]
    pub fn lower(self) -> Delta {
        self.offset - self.distance
    }

    /// Where it ends; the end is part of it.
    #[must_use]
    pub fn upper(self) -> Delta {
        self.offset + self.distance
    }

    fn holds(self, point: Delta) -> bool {
        (self.lower()..=self.upper()).contains(&point)
    }
}

/// How a server stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is one of the majority whose intervals have a point in common.
    Agrees,
    /// Its interval lies outside of what the majority has in common.
    Outlier,
    /// There is no majority, or there are several: nobody can say.
    Undecided,
    /// There was nobody to compare it with.
    Alone,
    /// It told no offset.
    Silent,
}

/// Several servers, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How each stands, in the order in which they were given.
    pub standings: Vec<Standing>,
    /// What the majority's intervals have in common, if there is a majority:
    /// the offset lies between the two if most servers are right.
    pub common: Option<(Delta, Delta)>,
}

impl Comparison {
    /// How many servers stand so.
    #[must_use]
    pub fn count(&self, standing: Standing) -> usize {
        self.standings
            .iter()
            .filter(|&&one| one == standing)
            .count()
    }
}

/// Compares the servers; `None` stands for one that told no offset.
///
/// The largest group whose intervals share a point wins if it is more than half
/// of those that told an offset, and if there is no second group of that size.
/// Two servers that contradict one another stay undecided: nothing says which
/// of them is wrong.
#[must_use]
pub fn compare(intervals: &[Option<Interval>]) -> Comparison {
    let told: Vec<Interval> = intervals.iter().flatten().copied().collect();
    let group = match told.len() {
        0 | 1 => Group::None,
        count => largest_group(&told).filter(|members| 2 * members.len() > count),
    };
    let standing = |interval: &Interval| match &group {
        _ if told.len() < 2 => Standing::Alone,
        Group::One(members) if members.contains(interval) => Standing::Agrees,
        Group::One(_) => Standing::Outlier,
        Group::None => Standing::Undecided,
    };
    let common = match &group {
        Group::One(members) => {
            let lower = members.iter().map(|member| member.lower()).max();
            lower.zip(members.iter().map(|member| member.upper()).min())
        }
        Group::None => None,
    };
    let standings = intervals
        .iter()
        .map(|one| one.as_ref().map_or(Standing::Silent, standing))
        .collect();
    Comparison { standings, common }
}

/// The group that decides, if there is one.
enum Group {
    One(Vec<Interval>),
    None,
}

impl Group {
    fn filter(self, keep: impl FnOnce(&[Interval]) -> bool) -> Self {
        match self {
            Self::One(members) if keep(&members) => Self::One(members),
            _ => Self::None,
        }
    }
}

/// The largest set of intervals that have a point in common, unless there are
/// several sets of that size.
///
/// Some largest set has in common the point at which the last of its members
/// begins, so trying the beginnings is enough.
fn largest_group(intervals: &[Interval]) -> Group {
    let mut largest: Vec<Interval> = Vec::new();
    let mut is_only_one = true;
    for begin in intervals.iter().map(|interval| interval.lower()) {
        let members: Vec<_> = intervals
            .iter()
            .copied()
            .filter(|interval| interval.holds(begin))
            .collect();
        if members.len() > largest.len() {
            (largest, is_only_one) = (members, true);
        } else if members.len() == largest.len() && members != largest {
            is_only_one = false;
        }
    }
    if is_only_one {
        Group::One(largest)
    } else {
        Group::None
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Agrees, Alone, Outlier, Silent, Undecided};
    use super::*;
    use proptest::prelude::*;

    fn around(offset_ms: i64, distance_ms: i64) -> Option<Interval> {
        Some(Interval {
            offset: Delta::from_millis(offset_ms),
            distance: Delta::from_millis(distance_ms),
        })
    }

    fn standings(intervals: &[Option<Interval>]) -> Vec<Standing> {
        compare(intervals).standings
    }

    #[test]
    fn the_one_of_three_that_lies_elsewhere_is_the_outlier() {
        let servers = [around(0, 5), around(900, 5), around(3, 5)];
        let comparison = compare(&servers);
        assert_eq!(comparison.standings, [Agrees, Outlier, Agrees]);
        assert_eq!(
            comparison.common,
            Some((Delta::from_millis(-2), Delta::from_millis(5)))
        );
    }

    #[test]
    fn two_that_contradict_one_another_leave_it_undecided() {
        assert_eq!(
            standings(&[around(0, 5), around(11, 5)]),
            [Undecided, Undecided]
        );
        assert_eq!(standings(&[around(0, 5), around(10, 5)]), [Agrees, Agrees]);
    }

    #[test]
    fn two_against_two_leave_it_undecided() {
        let servers = [around(0, 5), around(1, 5), around(90, 5), around(91, 5)];
        assert_eq!(standings(&servers), [Undecided; 4]);
    }

    #[test]
    fn one_in_the_middle_that_agrees_with_both_ends_names_neither() {
        let servers = [around(0, 5), around(8, 5), around(16, 5)];
        assert_eq!(standings(&servers), [Undecided; 3]);
    }

    #[test]
    fn the_silent_are_not_counted() {
        assert_eq!(standings(&[]), []);
        assert_eq!(standings(&[None]), [Silent]);
        assert_eq!(standings(&[None, around(0, 5)]), [Silent, Alone]);
        let servers = [None, around(0, 5), around(0, 5), None, around(99, 5)];
        assert_eq!(
            standings(&servers),
            [Silent, Agrees, Agrees, Silent, Outlier]
        );
    }

    #[test]
    fn a_server_that_admits_to_be_vague_is_no_outlier() {
        let servers = [around(0, 5), around(3, 5), around(900, 2_000)];
        assert_eq!(standings(&servers), [Agrees; 3]);
    }

    proptest! {
        #[test]
        fn those_who_agree_are_a_majority_and_share_what_is_common(
            servers in proptest::collection::vec(
                proptest::option::of((any::<i64>(), 0..=i64::MAX)), 0..9)
        ) {
            let intervals: Vec<_> = servers.iter().map(|one| one.map(|(offset, distance)| Interval {
                offset: Delta::from_nanos(offset),
                distance: Delta::from_nanos(distance),
            })).collect();
            let comparison = compare(&intervals);
            prop_assert_eq!(comparison.standings.len(), intervals.len());
            if let Some((lower, upper)) = comparison.common {
                prop_assert!(lower <= upper);
                prop_assert!(2 * comparison.count(Agrees) > intervals.iter().flatten().count());
                for (interval, standing) in intervals.iter().zip(&comparison.standings) {
                    let is_right = interval.is_some_and(|one| one.holds(lower) && one.holds(upper));
                    prop_assert_eq!(is_right, *standing == Agrees);
                }
            } else {
                prop_assert_eq!(comparison.count(Agrees) + comparison.count(Outlier), 0);
            }
        }
    }
}
