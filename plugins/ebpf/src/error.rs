use crate::instruction::Instruction;
use crate::operand::Map;
use std::fmt;

/// Why a program cannot be assembled or linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Something goes to a label that was bound to no place, from this slot.
    UnboundLabel {
        /// Where from.
        slot: usize,
    },
    /// A label was bound to a second place.
    BoundTwice {
        /// The second place.
        slot: usize,
    },
    /// A jump goes further than 32,768 slots.
    TooFar {
        /// Where from.
        slot: usize,
        /// Where to.
        target: usize,
    },
    /// A constant shift by as many bits as there are, or more, or by less than
    /// none; a division by the constant zero.
    Senseless {
        /// Where.
        slot: usize,
        /// What.
        instruction: Instruction,
    },
    /// The frame pointer, R10, would be written.
    FramePointerWritten {
        /// Where.
        slot: usize,
        /// By what.
        instruction: Instruction,
    },
    /// The last instruction lets the program run on behind its end, or there is
    /// none, or a label is bound there.
    NoEnd,
    /// Linked without a map that the program uses.
    NoSuchMap(Map),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnboundLabel { slot } => {
                write!(f, "slot {slot} goes to a label that is bound to no place")
            }
            Self::BoundTwice { slot } => {
                write!(f, "a label is bound again, to slot {slot}")
            }
            Self::TooFar { slot, target } => {
                write!(f, "from slot {slot} to slot {target} is too far for a jump")
            }
            Self::Senseless { slot, instruction } => {
                write!(f, "slot {slot} makes no sense: {instruction}")
            }
            Self::FramePointerWritten { slot, instruction } => {
                write!(f, "slot {slot} writes the frame pointer: {instruction}")
            }
            Self::NoEnd => f.write_str("the program runs on behind its end"),
            Self::NoSuchMap(map) => write!(f, "there is no map {}", map.0),
        }
    }
}

impl std::error::Error for Error {}
