//! From octets back to instructions: for tests, and for whoever reads what a
//! program became.

use crate::instruction::{Instruction, SLOT_LEN, Slot, code};
use crate::operand::{
    Atomic, Condition, Map, Operand, Operation, Order, Register, Size, SwapBits, Width,
};
use std::fmt;

/// These octets are no instruction that [`Instruction`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnInstruction;

impl fmt::Display for NotAnInstruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no instruction that is known")
    }
}

impl std::error::Error for NotAnInstruction {}

impl Instruction {
    /// The instruction that `octets` begin with. Of one that takes a single slot
    /// the second is not looked at; it may be missing.
    ///
    /// # Errors
    /// [`NotAnInstruction`] for anything that no instruction is encoded as,
    /// a stray bit in an unused field included.
    pub fn decode(octets: &[u8]) -> Result<Self, NotAnInstruction> {
        read(octets)
            // An unused field that is not zero makes it something else.
            .filter(|read| {
                let len = read.slots() * SLOT_LEN;
                octets.get(..len) == Some(&read.encode()[..len])
            })
            .ok_or(NotAnInstruction)
    }
}

fn read(octets: &[u8]) -> Option<Instruction> {
    let slot = Slot::decode(*octets.first_chunk()?);
    let to = Register::of_number(slot.to)?;
    let from = Register::of_number(slot.from)?;
    let operand = if slot.code & code::FROM_REGISTER != 0 {
        Operand::Register(from)
    } else {
        Operand::Constant(slot.constant)
    };
    let instruction = match slot.code & code::CLASS {
        code::LOAD if slot.code == code::LOAD_CONSTANT => {
            let second = Slot::decode(*octets.get(SLOT_LEN..)?.first_chunk()?);
            read_wide(slot, second, to)?
        }
        code::LOAD_MEMORY if slot.code & code::MODE == code::MODE_MEMORY => Instruction::Load {
            size: size(slot.code),
            to,
            base: from,
            offset: slot.offset,
        },
        class @ (code::STORE_CONSTANT | code::STORE_REGISTER)
            if slot.code & code::MODE == code::MODE_MEMORY =>
        {
            Instruction::Store {
                size: size(slot.code),
                base: to,
                offset: slot.offset,
                value: if class == code::STORE_REGISTER {
                    Operand::Register(from)
                } else {
                    Operand::Constant(slot.constant)
                },
            }
        }
        code::STORE_REGISTER if slot.code & code::MODE == code::MODE_ATOMIC => {
            let width = match size(slot.code) {
                Size::Word => Width::Bits32,
                Size::Double => Width::Bits64,
                Size::Byte | Size::Half => return None,
            };
            let is_it = |atomic: &&Atomic| i32::from(**atomic as u8) == slot.constant;
            Instruction::Atomic {
                width,
                atomic: *Atomic::ALL.iter().find(is_it)?,
                base: to,
                offset: slot.offset,
                register: from,
            }
        }
        code::COMPUTE_32 => read_compute(slot, Width::Bits32, to, operand)?,
        code::COMPUTE_64 => read_compute(slot, Width::Bits64, to, operand)?,
        code::JUMP => read_jump(slot, Width::Bits64, to, operand)?,
        code::JUMP_32 => read_jump(slot, Width::Bits32, to, operand)?,
        _ => return None,
    };
    Some(instruction)
}

fn size(code: u8) -> Size {
    match code & code::SIZE {
        0x00 => Size::Word,
        0x08 => Size::Half,
        0x10 => Size::Byte,
        _ => Size::Double,
    }
}

fn read_wide(first: Slot, second: Slot, to: Register) -> Option<Instruction> {
    let (low, high) = (
        first.constant.cast_unsigned(),
        second.constant.cast_unsigned(),
    );
    match first.from {
        code::SOURCE_CONSTANT => Some(Instruction::LoadConstant {
            to,
            value: (u64::from(high) << 32) | u64::from(low),
        }),
        code::SOURCE_MAP => Some(Instruction::LoadMap { to, map: Map(low) }),
        code::SOURCE_MAP_VALUE => Some(Instruction::LoadMapValue {
            to,
            map: Map(low),
            offset: high,
        }),
        _ => None,
    }
}

fn read_compute(slot: Slot, width: Width, to: Register, from: Operand) -> Option<Instruction> {
    match slot.code & code::OPERATION {
        code::NEGATE => Some(Instruction::Negate {
            width,
            register: to,
        }),
        code::SWAP => Some(Instruction::Swap {
            order: if slot.code & code::FROM_REGISTER == 0 {
                Order::Little
            } else {
                Order::Big
            },
            bits: match slot.constant {
                16 => SwapBits::Bits16,
                32 => SwapBits::Bits32,
                64 => SwapBits::Bits64,
                _ => return None,
            },
            register: to,
        }),
        operation => {
            let is_it = |known: &&Operation| **known as u8 == operation;
            Some(Instruction::Compute {
                width,
                operation: *Operation::ALL.iter().find(is_it)?,
                to,
                from,
            })
        }
    }
}

fn read_jump(slot: Slot, width: Width, left: Register, right: Operand) -> Option<Instruction> {
    match (slot.code & code::OPERATION, slot.from) {
        (0, _) => Some(Instruction::Jump {
            offset: slot.offset,
        }),
        (code::CALL, code::SOURCE_HELPER) => Some(Instruction::Call {
            helper: slot.constant,
        }),
        (code::CALL, code::SOURCE_LOCAL) => Some(Instruction::CallLocal {
            offset: slot.constant,
        }),
        (code::CALL, _) => None,
        (code::EXIT, _) => Some(Instruction::Exit),
        (condition, _) => {
            let is_it = |known: &&Condition| **known as u8 == condition;
            Some(Instruction::Branch {
                width,
                condition: *Condition::ALL.iter().find(is_it)?,
                left,
                right,
                offset: slot.offset,
            })
        }
    }
}
