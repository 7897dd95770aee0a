//! A typed assembler of eBPF programs: instructions as values, jumps to labels,
//! maps by number, and octets that the kernel loads.
//!
//! | module | what it holds |
//! |---|---|
//! | [`operand`] | registers, widths, sizes, and what an instruction computes with |
//! | [`instruction`] | one [`Instruction`], and its encoding |
//! | [`decode`] | the way back, for whoever reads a program |
//! | [`display`] | an instruction as people read it |
//! | [`assembler`] | [`Assembler`]: appends instructions, resolves labels |
//! | [`program`] | [`Program`]: assembled; becomes octets once its maps are there |
//!
//! It depends on nothing but `std`, loads nothing, and knows no kernel: what a
//! program may do is for the kernel's verifier to say. Refused here is what
//! cannot be encoded, or what no kernel takes. The instruction set is that of
//! RFC 9669 (and of the kernel's `Documentation/bpf/standardization`), less the
//! packet loads of classic BPF.
//!
//! ```
//! use timeball_ebpf::{Assembler, Condition, Size, register::*};
//!
//! // What XDP makes of a frame: 1 drops it, 2 passes it on.
//! let mut program = Assembler::new();
//! let short = program.label();
//! program.load(Size::Word, R2, R1, 0); // where the frame begins
//! program.load(Size::Word, R3, R1, 4); // and where it ends
//! program.subtract(R3, R2);
//! program.jump_if(Condition::Below, R3, 60, short);
//! program.set(R0, 2);
//! program.exit();
//! program.bind(short);
//! program.set(R0, 1);
//! program.exit();
//! let program = program.assemble()?;
//! assert_eq!(program.to_string().lines().nth(3), Some("   3: if r3 < 60 goto +2"));
//! let octets = program.link(&[])?; // no maps
//! assert_eq!(octets.len(), 8 * program.slots());
//! # Ok::<(), timeball_ebpf::Error>(())
//! ```
//!
//! # Why
//! A program that is assembled when the server starts needs no compiler, no
//! object file and no type information of the kernel's, and holds the constants
//! of its settings. It is code that is reviewed as code.

pub mod assembler;
pub mod decode;
pub mod display;
mod error;
pub mod instruction;
pub mod operand;
pub mod program;

pub use assembler::{Assembler, Label};
pub use decode::NotAnInstruction;
pub use error::Error;
pub use instruction::{Instruction, SLOT_LEN};
pub use operand::{
    Atomic, Condition, Map, Operand, Operation, Order, Register, Size, SwapBits, Width, register,
};
pub use program::Program;
