//! Instructions as people read them: as the kernel's verifier prints them, near
//! enough to lay its log beside them.

use crate::instruction::Instruction;
use crate::operand::{
    Atomic, Condition, Operand, Operation, Order, Register, Size, SwapBits, Width,
};
use std::fmt;

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.number())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(register) => register.fmt(f),
            Self::Constant(constant) => constant.fmt(f),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+=",
            Self::Subtract => "-=",
            Self::Multiply => "*=",
            Self::Divide => "/=",
            Self::Or => "|=",
            Self::And => "&=",
            Self::ShiftLeft => "<<=",
            Self::ShiftRight => ">>=",
            Self::Remainder => "%=",
            Self::ExclusiveOr => "^=",
            Self::Set => "=",
            Self::ShiftRightSigned => "s>>=",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::AnyBit => "&",
            Self::NotEqual => "!=",
            Self::AboveSigned => "s>",
            Self::AtLeastSigned => "s>=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::BelowSigned => "s<",
            Self::AtMostSigned => "s<=",
        })
    }
}

impl fmt::Display for Atomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::FetchAdd => "fetch_add",
            Self::Or => "or",
            Self::FetchOr => "fetch_or",
            Self::And => "and",
            Self::FetchAnd => "fetch_and",
            Self::ExclusiveOr => "xor",
            Self::FetchExclusiveOr => "fetch_xor",
            Self::Exchange => "exchange",
            Self::CompareExchange => "compare_exchange",
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.octets() * 8)
    }
}

/// A register as wide as it is used: `w3` are the lower 32 bits of `r3`.
struct Wide(Width, Operand);

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Width::Bits32, Operand::Register(register)) => write!(f, "w{}", register.number()),
            Self(_, operand) => operand.fmt(f),
        }
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = |width, operand: Operand| Wide(width, operand);
        match *self {
            Self::Compute {
                width,
                operation,
                to,
                from,
            } => {
                let (to, from) = (wide(width, to.into()), wide(width, from));
                write!(f, "{to} {operation} {from}")
            }
            Self::Negate { width, register } => {
                let register = wide(width, register.into());
                write!(f, "{register} = -{register}")
            }
            Self::Swap {
                order,
                bits,
                register,
            } => {
                let order = match order {
                    Order::Little => "le",
                    Order::Big => "be",
                };
                let bits = match bits {
                    SwapBits::Bits16 => 16,
                    SwapBits::Bits32 => 32,
                    SwapBits::Bits64 => 64,
                };
                write!(f, "{register} = {order}{bits} {register}")
            }
            Self::LoadConstant { to, value } => write!(f, "{to} = {value:#x} ll"),
            Self::LoadMap { to, map } => write!(f, "{to} = map {}", map.0),
            Self::LoadMapValue { to, map, offset } => {
                write!(f, "{to} = map {} value +{offset}", map.0)
            }
            Self::Load {
                size,
                to,
                base,
                offset,
            } => write!(f, "{to} = *({size} *)({base} {offset:+})"),
            Self::Store {
                size,
                base,
                offset,
                value,
            } => write!(f, "*({size} *)({base} {offset:+}) = {value}"),
            Self::Atomic {
                width,
                atomic,
                base,
                offset,
                register,
            } => {
                let bits = width.bits();
                write!(f, "{atomic} *(u{bits} *)({base} {offset:+}), {register}")
            }
            Self::Jump { offset } => write!(f, "goto {offset:+}"),
            Self::Branch {
                width,
                condition,
                left,
                right,
                offset,
            } => {
                let (left, right) = (wide(width, left.into()), wide(width, right));
                write!(f, "if {left} {condition} {right} goto {offset:+}")
            }
            Self::Call { helper } => write!(f, "call {helper}"),
            Self::CallLocal { offset } => write!(f, "call pc{offset:+}"),
            Self::Exit => f.write_str("exit"),
        }
    }
}
