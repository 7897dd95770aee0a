//! One instruction, and its encoding. RFC 9669 sections 3 to 5.

use crate::operand::{
    Atomic, Condition, Map, Operand, Operation, Order, Register, Size, SwapBits, Width,
};

/// Octets of a slot: an instruction takes one, a constant of 64 bits two.
pub const SLOT_LEN: usize = 8;

/// One instruction. Jumps count slots from the one behind the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// Computes `to` and `from` into `to`.
    Compute {
        /// How many bits.
        width: Width,
        /// What.
        operation: Operation,
        /// First operand and result.
        to: Register,
        /// Second operand.
        from: Operand,
    },
    /// Turns the sign of a register.
    Negate {
        /// How many bits.
        width: Width,
        /// Which.
        register: Register,
    },
    /// Brings a register from the order of the machine into this one, or back.
    Swap {
        /// Which order.
        order: Order,
        /// How many bits.
        bits: SwapBits,
        /// Which.
        register: Register,
    },
    /// Loads a constant of 64 bits. Two slots.
    LoadConstant {
        /// Where to.
        to: Register,
        /// What.
        value: u64,
    },
    /// Loads a map itself, for a helper. Two slots.
    LoadMap {
        /// Where to.
        to: Register,
        /// Which.
        map: Map,
    },
    /// Loads the address of the only value of an array map. Two slots.
    LoadMapValue {
        /// Where to.
        to: Register,
        /// Which.
        map: Map,
        /// How far into the value, in octets.
        offset: u32,
    },
    /// Reads memory; what is shorter than 64 bits is filled up with zeros.
    Load {
        /// How much.
        size: Size,
        /// Where to.
        to: Register,
        /// From where.
        base: Register,
        /// And how many octets behind that.
        offset: i16,
    },
    /// Writes memory.
    Store {
        /// How much.
        size: Size,
        /// Where to.
        base: Register,
        /// And how many octets behind that.
        offset: i16,
        /// What; of a register the lowest octets.
        value: Operand,
    },
    /// Changes memory in one step.
    Atomic {
        /// Four or eight octets.
        width: Width,
        /// How.
        atomic: Atomic,
        /// Where.
        base: Register,
        /// And how many octets behind that.
        offset: i16,
        /// With what.
        register: Register,
    },
    /// Goes on elsewhere.
    Jump {
        /// How many slots on.
        offset: i16,
    },
    /// Goes on elsewhere if a comparison holds.
    Branch {
        /// How many bits are compared.
        width: Width,
        /// How.
        condition: Condition,
        /// What.
        left: Register,
        /// With what.
        right: Operand,
        /// How many slots on.
        offset: i16,
    },
    /// Calls a helper of the kernel by its number.
    Call {
        /// Which.
        helper: i32,
    },
    /// Calls a function of this program.
    CallLocal {
        /// How many slots on it begins.
        offset: i32,
    },
    /// Returns R0.
    Exit,
}

pub(crate) mod code {
    pub const LOAD: u8 = 0x00;
    pub const LOAD_MEMORY: u8 = 0x01;
    pub const STORE_CONSTANT: u8 = 0x02;
    pub const STORE_REGISTER: u8 = 0x03;
    pub const COMPUTE_32: u8 = 0x04;
    pub const JUMP: u8 = 0x05;
    pub const JUMP_32: u8 = 0x06;
    pub const COMPUTE_64: u8 = 0x07;
    pub const CLASS: u8 = 0x07;
    pub const FROM_REGISTER: u8 = 0x08;
    pub const OPERATION: u8 = 0xf0;
    pub const NEGATE: u8 = 0x80;
    pub const SWAP: u8 = 0xd0;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const SIZE: u8 = 0x18;
    pub const MODE: u8 = 0xe0;
    pub const MODE_MEMORY: u8 = 0x60;
    pub const MODE_ATOMIC: u8 = 0xc0;
    /// A constant of 64 bits in two slots: LOAD, size double, mode immediate.
    pub const LOAD_CONSTANT: u8 = LOAD | 0x18;
    pub const SOURCE_CONSTANT: u8 = 0;
    pub const SOURCE_MAP: u8 = 1;
    pub const SOURCE_MAP_VALUE: u8 = 2;
    pub const SOURCE_HELPER: u8 = 0;
    pub const SOURCE_LOCAL: u8 = 1;
}

/// The fields of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub code: u8,
    pub to: u8,
    pub from: u8,
    pub offset: i16,
    pub constant: i32,
}

impl Slot {
    pub(crate) fn encode(self) -> [u8; SLOT_LEN] {
        let [a, b] = self.offset.to_le_bytes();
        let [c, d, e, f] = self.constant.to_le_bytes();
        [self.code, (self.from << 4) | self.to, a, b, c, d, e, f]
    }

    pub(crate) fn decode([code, registers, a, b, c, d, e, f]: [u8; SLOT_LEN]) -> Self {
        Self {
            code,
            to: registers & 0xf,
            from: registers >> 4,
            offset: i16::from_le_bytes([a, b]),
            constant: i32::from_le_bytes([c, d, e, f]),
        }
    }

    const fn of(code: u8) -> Self {
        Self {
            code,
            to: 0,
            from: 0,
            offset: 0,
            constant: 0,
        }
    }

    const fn to(self, to: Register) -> Self {
        Self {
            to: to.number(),
            ..self
        }
    }

    /// The second operand, whose kind is a bit of the code.
    const fn operand(self, operand: Operand) -> Self {
        match operand {
            Operand::Register(register) => Self {
                code: self.code | code::FROM_REGISTER,
                from: register.number(),
                ..self
            },
            Operand::Constant(constant) => Self { constant, ..self },
        }
    }
}

impl Size {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Word => 0x00,
            Self::Half => 0x08,
            Self::Byte => 0x10,
            Self::Double => 0x18,
        }
    }
}

impl Width {
    const fn compute_class(self) -> u8 {
        match self {
            Self::Bits32 => code::COMPUTE_32,
            Self::Bits64 => code::COMPUTE_64,
        }
    }

    const fn jump_class(self) -> u8 {
        match self {
            Self::Bits32 => code::JUMP_32,
            Self::Bits64 => code::JUMP,
        }
    }

    const fn size(self) -> Size {
        match self {
            Self::Bits32 => Size::Word,
            Self::Bits64 => Size::Double,
        }
    }
}

impl Instruction {
    /// How many slots it takes: 1 or 2.
    #[must_use]
    pub const fn slots(&self) -> usize {
        match self {
            Self::LoadConstant { .. } | Self::LoadMap { .. } | Self::LoadMapValue { .. } => 2,
            _ => 1,
        }
    }

    /// Its octets on a little-endian machine; the first `slots()` times eight of
    /// them count. A map is its number here.
    #[must_use]
    pub fn encode(&self) -> [u8; 2 * SLOT_LEN] {
        let (first, second) = self.to_slots();
        let mut octets = [0; 2 * SLOT_LEN];
        octets[..SLOT_LEN].copy_from_slice(&first.encode());
        octets[SLOT_LEN..].copy_from_slice(&second.encode());
        octets
    }

    fn to_slots(self) -> (Slot, Slot) {
        let mut second = Slot::of(0);
        let first = match self {
            Self::Compute {
                width,
                operation,
                to,
                from,
            } => Slot::of(width.compute_class() | operation as u8)
                .to(to)
                .operand(from),
            Self::Negate { width, register } => {
                Slot::of(width.compute_class() | code::NEGATE).to(register)
            }
            Self::Swap {
                order,
                bits,
                register,
            } => {
                let order = match order {
                    Order::Little => 0,
                    Order::Big => code::FROM_REGISTER,
                };
                Slot {
                    constant: i32::from(bits as u8),
                    ..Slot::of(code::COMPUTE_32 | code::SWAP | order).to(register)
                }
            }
            Self::LoadConstant { to, value } => {
                let (low, high) = (value as u32, (value >> 32) as u32);
                second.constant = high.cast_signed();
                wide(to, code::SOURCE_CONSTANT, low)
            }
            Self::LoadMap { to, map } => wide(to, code::SOURCE_MAP, map.0),
            Self::LoadMapValue { to, map, offset } => {
                second.constant = offset.cast_signed();
                wide(to, code::SOURCE_MAP_VALUE, map.0)
            }
            Self::Load {
                size,
                to,
                base,
                offset,
            } => Slot {
                from: base.number(),
                offset,
                ..Slot::of(code::LOAD_MEMORY | code::MODE_MEMORY | size.code()).to(to)
            },
            Self::Store {
                size,
                base,
                offset,
                value,
            } => store(
                size,
                value,
                Slot {
                    offset,
                    ..Slot::of(0).to(base)
                },
            ),
            Self::Atomic {
                width,
                atomic,
                base,
                offset,
                register,
            } => Slot {
                from: register.number(),
                offset,
                constant: i32::from(atomic as u8),
                ..Slot::of(code::STORE_REGISTER | code::MODE_ATOMIC | width.size().code()).to(base)
            },
            Self::Jump { offset } => Slot {
                offset,
                ..Slot::of(code::JUMP)
            },
            Self::Branch {
                width,
                condition,
                left,
                right,
                offset,
            } => Slot {
                offset,
                ..Slot::of(width.jump_class() | condition as u8)
                    .to(left)
                    .operand(right)
            },
            Self::Call { helper } => Slot {
                constant: helper,
                ..Slot::of(code::JUMP | code::CALL)
            },
            Self::CallLocal { offset } => Slot {
                from: code::SOURCE_LOCAL,
                constant: offset,
                ..Slot::of(code::JUMP | code::CALL)
            },
            Self::Exit => Slot::of(code::JUMP | code::EXIT),
        };
        (first, second)
    }
}

/// The first of two slots.
fn wide(to: Register, source: u8, low: u32) -> Slot {
    Slot {
        from: source,
        constant: low.cast_signed(),
        ..Slot::of(code::LOAD_CONSTANT).to(to)
    }
}

fn store(size: Size, value: Operand, place: Slot) -> Slot {
    let how = code::MODE_MEMORY | size.code();
    match value {
        Operand::Register(register) => Slot {
            code: code::STORE_REGISTER | how,
            from: register.number(),
            ..place
        },
        Operand::Constant(constant) => Slot {
            code: code::STORE_CONSTANT | how,
            constant,
            ..place
        },
    }
}
