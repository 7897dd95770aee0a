//! What instructions are about: registers, widths, sizes, operations.

/// One of the eleven registers of 64 bits.
///
/// R0 is what a call or the program returns, R1 to R5 are the arguments of a call
/// and lost by it, R6 to R9 survive a call, and R10 points behind the 512 octets
/// of the stack and cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the type says what each is for")]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// The registers by their bare names.
pub mod register {
    pub use super::Register::*;
}

impl Register {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::R0,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
    ];

    /// Its number, 0 to 10.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The register of this number; `None` above 10.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// How many bits of a register are computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// The lower 32; the upper half of the result becomes zero.
    Bits32,
    /// All 64.
    Bits64,
}

impl Width {
    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> i32 {
        match self {
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }
}

/// How much of memory is read or written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// One octet.
    Byte,
    /// Two octets.
    Half,
    /// Four octets.
    Word,
    /// Eight octets.
    Double,
}

impl Size {
    /// The number of octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
            Self::Double => 8,
        }
    }
}

/// The second operand: a register, or a constant.
///
/// A constant has 32 bits and a sign, which 64-bit instructions extend; longer
/// ones are loaded into a register first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand {
    /// What is in this register.
    Register(Register),
    /// This number.
    Constant(i32),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Self {
        Self::Register(register)
    }
}

impl From<i32> for Operand {
    fn from(constant: i32) -> Self {
        Self::Constant(constant)
    }
}

/// What is computed with two operands; the result replaces the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Sum, modulo 2^32 or 2^64.
    Add = 0x00,
    /// Difference, modulo 2^32 or 2^64.
    Subtract = 0x10,
    /// Product, modulo 2^32 or 2^64.
    Multiply = 0x20,
    /// Quotient of unsigned numbers; zero where the divisor is zero.
    Divide = 0x30,
    /// Bitwise or.
    Or = 0x40,
    /// Bitwise and.
    And = 0x50,
    /// Shift to the left.
    ShiftLeft = 0x60,
    /// Shift to the right; zeros come in.
    ShiftRight = 0x70,
    /// Remainder of unsigned numbers; the dividend where the divisor is zero.
    Remainder = 0x90,
    /// Bitwise exclusive or.
    ExclusiveOr = 0xa0,
    /// The second operand itself.
    Set = 0xb0,
    /// Shift to the right; copies of the sign come in.
    ShiftRightSigned = 0xc0,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Or,
        Self::And,
        Self::ShiftLeft,
        Self::ShiftRight,
        Self::Remainder,
        Self::ExclusiveOr,
        Self::Set,
        Self::ShiftRightSigned,
    ];
}

/// When a branch is taken. Without "signed" the operands are unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// Both are the same.
    Equal = 0x10,
    /// The first is greater.
    Above = 0x20,
    /// The first is greater, or both are the same.
    AtLeast = 0x30,
    /// They have a set bit in common.
    AnyBit = 0x40,
    /// They differ.
    NotEqual = 0x50,
    /// The first is greater, as signed numbers.
    AboveSigned = 0x60,
    /// The first is greater as a signed number, or both are the same.
    AtLeastSigned = 0x70,
    /// The first is less.
    Below = 0xa0,
    /// The first is less, or both are the same.
    AtMost = 0xb0,
    /// The first is less, as signed numbers.
    BelowSigned = 0xc0,
    /// The first is less as a signed number, or both are the same.
    AtMostSigned = 0xd0,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Equal,
        Self::Above,
        Self::AtLeast,
        Self::AnyBit,
        Self::NotEqual,
        Self::AboveSigned,
        Self::AtLeastSigned,
        Self::Below,
        Self::AtMost,
        Self::BelowSigned,
        Self::AtMostSigned,
    ];
}

/// The order of octets that a register is brought into, or was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The least octet first.
    Little,
    /// The greatest octet first, as on the wire.
    Big,
}

/// How many bits are put in order; those above become zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SwapBits {
    Bits16 = 16,
    Bits32 = 32,
    Bits64 = 64,
}

/// What is done to memory at once, so that no other processor comes in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Atomic {
    /// Adds the register to memory.
    Add = 0x00,
    /// Adds the register to memory; the register gets what was there before.
    FetchAdd = 0x01,
    /// Ors the register into memory.
    Or = 0x40,
    /// The same; the register gets what was there before.
    FetchOr = 0x41,
    /// Ands the register into memory.
    And = 0x50,
    /// The same; the register gets what was there before.
    FetchAnd = 0x51,
    /// Exclusive-ors the register into memory.
    ExclusiveOr = 0xa0,
    /// The same; the register gets what was there before.
    FetchExclusiveOr = 0xa1,
    /// Exchanges the register and memory.
    Exchange = 0xe1,
    /// Stores the register if memory is what R0 is; R0 gets what was there before.
    CompareExchange = 0xf1,
}

impl Atomic {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Add,
        Self::FetchAdd,
        Self::Or,
        Self::FetchOr,
        Self::And,
        Self::FetchAnd,
        Self::ExclusiveOr,
        Self::FetchExclusiveOr,
        Self::Exchange,
        Self::CompareExchange,
    ];
}

/// A map, by its place in the list that [`Program::link`](crate::Program::link)
/// is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Map(pub u32);
