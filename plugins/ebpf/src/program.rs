//! A program whose jumps are resolved.

use crate::error::Error;
use crate::instruction::{Instruction, SLOT_LEN};
use crate::operand::Map;
use std::fmt;

/// A program that was assembled; it lacks its maps only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub(crate) instructions: Vec<Instruction>,
}

impl Program {
    /// Its instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// How many slots it takes: the kernel's count of instructions.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.instructions.iter().map(Instruction::slots).sum()
    }

    /// Its octets as the kernel of a little-endian machine loads them; the map
    /// of number n is the one with the file descriptor `maps[n]`.
    ///
    /// # Errors
    /// [`Error::NoSuchMap`] for a map that `maps` does not have.
    pub fn link(&self, maps: &[i32]) -> Result<Vec<u8>, Error> {
        let descriptor = |map: Map| -> Result<Map, Error> {
            let found = maps.get(map.0 as usize).ok_or(Error::NoSuchMap(map))?;
            Ok(Map(found.cast_unsigned()))
        };
        let mut octets = Vec::with_capacity(self.slots() * SLOT_LEN);
        for &instruction in &self.instructions {
            let linked = match instruction {
                Instruction::LoadMap { to, map } => Instruction::LoadMap {
                    to,
                    map: descriptor(map)?,
                },
                Instruction::LoadMapValue { to, map, offset } => Instruction::LoadMapValue {
                    to,
                    map: descriptor(map)?,
                    offset,
                },
                other => other,
            };
            octets.extend_from_slice(&linked.encode()[..linked.slots() * SLOT_LEN]);
        }
        Ok(octets)
    }
}

impl fmt::Display for Program {
    /// One line for each instruction, with the number of its slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slot = 0;
        for instruction in &self.instructions {
            writeln!(f, "{slot:4}: {instruction}")?;
            slot += instruction.slots();
        }
        Ok(())
    }
}
