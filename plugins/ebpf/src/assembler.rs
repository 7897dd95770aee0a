//! Puts a program together, instruction by instruction.

use crate::error::Error;
use crate::instruction::Instruction;
use crate::operand::{
    Atomic, Condition, Map, Operand, Operation, Order, Register, Size, SwapBits, Width,
};
use crate::program::Program;

/// A place in a program, which may not be known yet.
///
/// Belongs to the [`Assembler`] that made it; what another one makes of it is
/// some other place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(usize);

/// Appends instructions and resolves labels.
///
/// Whatever is wrong comes out once, from [`assemble`](Self::assemble), so that
/// a program reads as one.
#[derive(Debug, Default)]
pub struct Assembler {
    instructions: Vec<(Instruction, Option<Label>)>,
    /// How many slots those take.
    slots: usize,
    /// The slot that each label is bound to.
    labels: Vec<Option<usize>>,
    /// The first thing that was wrong.
    error: Option<Error>,
}

impl Assembler {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A label that is not bound yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// A label of this place.
    pub fn here(&mut self) -> Label {
        self.labels.push(Some(self.slots));
        Label(self.labels.len() - 1)
    }

    /// Makes `label` this place. It can be bound once.
    pub fn bind(&mut self, label: Label) {
        let slot = self.slots;
        if self.labels[label.0].replace(slot).is_some() {
            self.fail(Error::BoundTwice { slot });
        }
    }

    /// Appends any instruction, with a jump as it stands.
    pub fn push(&mut self, instruction: Instruction) {
        self.append(instruction, None);
    }

    /// `to = to operation from`, in `width`.
    pub fn compute(
        &mut self,
        width: Width,
        operation: Operation,
        to: Register,
        from: impl Into<Operand>,
    ) {
        self.push(Instruction::Compute {
            width,
            operation,
            to,
            from: from.into(),
        });
    }

    /// `to = from`.
    pub fn set(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Set, to, from);
    }

    /// `to = from`, 32 bits.
    pub fn set_32(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits32, Operation::Set, to, from);
    }

    /// `to += from`.
    pub fn add(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Add, to, from);
    }

    /// `to -= from`.
    pub fn subtract(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Subtract, to, from);
    }

    /// `to *= from`.
    pub fn multiply(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Multiply, to, from);
    }

    /// `to /= from`, unsigned.
    pub fn divide(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Divide, to, from);
    }

    /// `to %= from`, unsigned.
    pub fn remainder(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Remainder, to, from);
    }

    /// `to |= from`.
    pub fn or(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::Or, to, from);
    }

    /// `to &= from`.
    pub fn and(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::And, to, from);
    }

    /// `to ^= from`.
    pub fn exclusive_or(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::ExclusiveOr, to, from);
    }

    /// `to <<= from`.
    pub fn shift_left(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::ShiftLeft, to, from);
    }

    /// `to >>= from`; zeros come in.
    pub fn shift_right(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::ShiftRight, to, from);
    }

    /// `to >>= from`; copies of the sign come in.
    pub fn shift_right_signed(&mut self, to: Register, from: impl Into<Operand>) {
        self.compute(Width::Bits64, Operation::ShiftRightSigned, to, from);
    }

    /// `register = -register`.
    pub fn negate(&mut self, register: Register) {
        let width = Width::Bits64;
        self.push(Instruction::Negate { width, register });
    }

    /// Brings the lower `bits` of a register from the machine's order into that
    /// of the wire, or back, and clears the others.
    pub fn to_big_endian(&mut self, bits: SwapBits, register: Register) {
        self.push(Instruction::Swap {
            order: Order::Big,
            bits,
            register,
        });
    }

    /// `to = value`, all 64 bits. Two slots.
    pub fn load_constant(&mut self, to: Register, value: u64) {
        self.push(Instruction::LoadConstant { to, value });
    }

    /// `to` = the map, as helpers take it. Two slots.
    pub fn load_map(&mut self, to: Register, map: Map) {
        self.push(Instruction::LoadMap { to, map });
    }

    /// `to` = the address of `offset` in the only value of an array map. Two
    /// slots.
    pub fn load_map_value(&mut self, to: Register, map: Map, offset: u32) {
        self.push(Instruction::LoadMapValue { to, map, offset });
    }

    /// `to = *(base + offset)`, filled up with zeros.
    pub fn load(&mut self, size: Size, to: Register, base: Register, offset: i16) {
        self.push(Instruction::Load {
            size,
            to,
            base,
            offset,
        });
    }

    /// `*(base + offset) = value`.
    pub fn store(&mut self, size: Size, base: Register, offset: i16, value: impl Into<Operand>) {
        self.push(Instruction::Store {
            size,
            base,
            offset,
            value: value.into(),
        });
    }

    /// Does `atomic` with 64 bits at `base + offset` and `register`.
    pub fn atomic(&mut self, atomic: Atomic, base: Register, offset: i16, register: Register) {
        self.push(Instruction::Atomic {
            width: Width::Bits64,
            atomic,
            base,
            offset,
            register,
        });
    }

    /// Goes to `target`.
    pub fn jump(&mut self, target: Label) {
        self.append(Instruction::Jump { offset: 0 }, Some(target));
    }

    /// Goes to `target` if `left condition right`, in 64 bits.
    pub fn jump_if(
        &mut self,
        condition: Condition,
        left: Register,
        right: impl Into<Operand>,
        target: Label,
    ) {
        self.branch(Width::Bits64, condition, left, right, target);
    }

    /// Goes to `target` if `left condition right`, in `width`.
    pub fn branch(
        &mut self,
        width: Width,
        condition: Condition,
        left: Register,
        right: impl Into<Operand>,
        target: Label,
    ) {
        let branch = Instruction::Branch {
            width,
            condition,
            left,
            right: right.into(),
            offset: 0,
        };
        self.append(branch, Some(target));
    }

    /// Calls the kernel's helper of this number.
    pub fn call(&mut self, helper: i32) {
        self.push(Instruction::Call { helper });
    }

    /// Calls the function of this program that begins at `target`.
    pub fn call_local(&mut self, target: Label) {
        self.append(Instruction::CallLocal { offset: 0 }, Some(target));
    }

    /// Returns R0.
    pub fn exit(&mut self) {
        self.push(Instruction::Exit);
    }

    /// The program, its labels resolved.
    ///
    /// # Errors
    /// The first [`Error`] of all that it may be but [`Error::NoSuchMap`].
    pub fn assemble(self) -> Result<Program, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let ends = matches!(
            self.instructions.last(),
            Some((Instruction::Exit | Instruction::Jump { .. }, _))
        );
        if !ends || self.labels.contains(&Some(self.slots)) {
            return Err(Error::NoEnd);
        }
        let mut slot = 0;
        let mut instructions = Vec::with_capacity(self.instructions.len());
        for (instruction, target) in self.instructions {
            let resolved = match target {
                None => instruction,
                Some(Label(label)) => {
                    let target = self.labels.get(label).copied().flatten();
                    resolve(
                        instruction,
                        slot,
                        target.ok_or(Error::UnboundLabel { slot })?,
                    )?
                }
            };
            slot += resolved.slots();
            instructions.push(resolved);
        }
        Ok(Program { instructions })
    }

    fn append(&mut self, instruction: Instruction, target: Option<Label>) {
        let slot = self.slots;
        if is_senseless(&instruction) {
            self.fail(Error::Senseless { slot, instruction });
        }
        if written(&instruction) == Some(Register::R10) {
            self.fail(Error::FramePointerWritten { slot, instruction });
        }
        self.slots += instruction.slots();
        self.instructions.push((instruction, target));
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}

/// The same instruction at `slot`, going to `target`.
fn resolve(instruction: Instruction, slot: usize, target: usize) -> Result<Instruction, Error> {
    let too_far = |_| Error::TooFar { slot, target };
    // Both are counts of what lies in memory, far below the ends of the range.
    let distance = target as i64 - (slot as i64 + 1);
    let short = || i16::try_from(distance).map_err(too_far);
    Ok(match instruction {
        Instruction::Jump { .. } => Instruction::Jump { offset: short()? },
        Instruction::Branch {
            width,
            condition,
            left,
            right,
            ..
        } => Instruction::Branch {
            width,
            condition,
            left,
            right,
            offset: short()?,
        },
        Instruction::CallLocal { .. } => Instruction::CallLocal {
            offset: i32::try_from(distance).map_err(too_far)?,
        },
        other => other,
    })
}

fn is_senseless(instruction: &Instruction) -> bool {
    let Instruction::Compute {
        width,
        operation,
        from: Operand::Constant(constant),
        ..
    } = instruction
    else {
        return false;
    };
    match operation {
        Operation::ShiftLeft | Operation::ShiftRight | Operation::ShiftRightSigned => {
            !(0..width.bits()).contains(constant)
        }
        Operation::Divide | Operation::Remainder => *constant == 0,
        _ => false,
    }
}

/// The register that an instruction names as the place of its result.
fn written(instruction: &Instruction) -> Option<Register> {
    match *instruction {
        Instruction::Compute { to, .. }
        | Instruction::LoadConstant { to, .. }
        | Instruction::LoadMap { to, .. }
        | Instruction::LoadMapValue { to, .. }
        | Instruction::Load { to, .. } => Some(to),
        Instruction::Negate { register, .. } | Instruction::Swap { register, .. } => Some(register),
        Instruction::Atomic {
            atomic, register, ..
        } => {
            let gives_back = atomic as u8 & 1 == 1 && atomic != Atomic::CompareExchange;
            gives_back.then_some(register)
        }
        _ => None,
    }
}
