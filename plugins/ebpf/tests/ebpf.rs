//! Encodings, worked by hand from RFC 9669 sections 3 to 5; and that decoding is
//! the way back for all of them.

use timeball_ebpf::register::*;
use timeball_ebpf::{
    Assembler, Atomic, Condition, Error, Instruction, Map, Operand, Operation, Order, Program,
    Register, SLOT_LEN, Size, SwapBits, Width,
};

/// The octets of what `write` appends, and of an exit behind it, in hexadecimal.
fn octets(write: impl FnOnce(&mut Assembler)) -> String {
    let mut program = Assembler::new();
    write(&mut program);
    program.exit();
    let octets = program.assemble().unwrap().link(&[7, 0x0102_0304]).unwrap();
    let slots = octets.chunks(SLOT_LEN).map(|slot| {
        let digits: Vec<_> = slot.iter().map(|octet| format!("{octet:02x}")).collect();
        digits.join(" ")
    });
    let slots: Vec<_> = slots.collect();
    let (exit, rest) = slots.split_last().expect("an exit");
    assert_eq!(exit, "95 00 00 00 00 00 00 00");
    rest.join(" | ")
}

#[test]
fn instructions_are_encoded_as_the_standard_says() {
    type Write = fn(&mut Assembler);
    let expected: &[(Write, &str)] = &[
        (|it| it.set(R0, 2), "b7 00 00 00 02 00 00 00"),
        (|it| it.set(R6, R1), "bf 16 00 00 00 00 00 00"),
        (|it| it.set_32(R6, R1), "bc 16 00 00 00 00 00 00"),
        (|it| it.set_32(R9, -1), "b4 09 00 00 ff ff ff ff"),
        (|it| it.add(R1, R2), "0f 21 00 00 00 00 00 00"),
        (|it| it.add(R1, 14), "07 01 00 00 0e 00 00 00"),
        (|it| it.subtract(R3, R2), "1f 23 00 00 00 00 00 00"),
        (|it| it.multiply(R3, R2), "2f 23 00 00 00 00 00 00"),
        (|it| it.divide(R3, 1_000), "37 03 00 00 e8 03 00 00"),
        (|it| it.or(R3, R2), "4f 23 00 00 00 00 00 00"),
        (|it| it.and(R3, 0x7f), "57 03 00 00 7f 00 00 00"),
        (|it| it.shift_left(R3, 32), "67 03 00 00 20 00 00 00"),
        (|it| it.shift_right(R3, 63), "77 03 00 00 3f 00 00 00"),
        (|it| it.negate(R4), "87 04 00 00 00 00 00 00"),
        (|it| it.remainder(R3, R2), "9f 23 00 00 00 00 00 00"),
        (|it| it.exclusive_or(R3, R2), "af 23 00 00 00 00 00 00"),
        (|it| it.shift_right_signed(R3, 1), "c7 03 00 00 01 00 00 00"),
        (
            |it| it.to_big_endian(SwapBits::Bits16, R2),
            "dc 02 00 00 10 00 00 00",
        ),
        (
            |it| it.to_big_endian(SwapBits::Bits64, R2),
            "dc 02 00 00 40 00 00 00",
        ),
        (
            |it| it.load_constant(R1, 0x0102_0304_0506_0708),
            "18 01 00 00 08 07 06 05 | 00 00 00 00 04 03 02 01",
        ),
        (
            |it| it.load_map(R1, Map(0)),
            "18 11 00 00 07 00 00 00 | 00 00 00 00 00 00 00 00",
        ),
        (
            |it| it.load_map_value(R2, Map(1), 64),
            "18 22 00 00 04 03 02 01 | 00 00 00 00 40 00 00 00",
        ),
        (
            |it| it.load(Size::Word, R3, R1, 4),
            "61 13 04 00 00 00 00 00",
        ),
        (
            |it| it.load(Size::Half, R3, R1, 12),
            "69 13 0c 00 00 00 00 00",
        ),
        (
            |it| it.load(Size::Byte, R3, R1, -1),
            "71 13 ff ff 00 00 00 00",
        ),
        (
            |it| it.load(Size::Double, R3, R10, -512),
            "79 a3 00 fe 00 00 00 00",
        ),
        (
            |it| it.store(Size::Double, R10, -8, R1),
            "7b 1a f8 ff 00 00 00 00",
        ),
        (
            |it| it.store(Size::Byte, R1, 1, 64),
            "72 01 01 00 40 00 00 00",
        ),
        (
            |it| it.store(Size::Half, R1, 2, R5),
            "6b 51 02 00 00 00 00 00",
        ),
        (
            |it| it.store(Size::Word, R1, 2, -2),
            "62 01 02 00 fe ff ff ff",
        ),
        (
            |it| it.atomic(Atomic::Add, R1, 8, R2),
            "db 21 08 00 00 00 00 00",
        ),
        (
            |it| it.atomic(Atomic::CompareExchange, R1, 0, R2),
            "db 21 00 00 f1 00 00 00",
        ),
        (
            |it| it.atomic(Atomic::Exchange, R1, 0, R2),
            "db 21 00 00 e1 00 00 00",
        ),
        (
            |it| it.atomic(Atomic::FetchAdd, R1, 0, R2),
            "db 21 00 00 01 00 00 00",
        ),
        (
            |it| {
                it.push(Instruction::Atomic {
                    width: Width::Bits32,
                    atomic: Atomic::Or,
                    base: R1,
                    offset: 0,
                    register: R2,
                });
            },
            "c3 21 00 00 40 00 00 00",
        ),
        (|it| it.call(5), "85 00 00 00 05 00 00 00"),
    ];
    for (write, expected) in expected {
        assert_eq!(octets(write), *expected);
    }
}

#[test]
fn jumps_count_slots_from_behind_themselves() {
    let forward = octets(|it| {
        let end = it.label();
        it.jump(end);
        it.load_constant(R0, 1); // two slots
        it.jump_if(Condition::Above, R2, R3, end);
        it.branch(Width::Bits32, Condition::Below, R1, 5, end);
        it.set(R0, 0);
        it.bind(end);
        it.set(R0, 0);
    });
    assert_eq!(
        forward,
        "05 00 05 00 00 00 00 00 | 18 00 00 00 01 00 00 00 | 00 00 00 00 00 00 00 00 \
         | 2d 32 02 00 00 00 00 00 | a6 01 01 00 05 00 00 00 \
         | b7 00 00 00 00 00 00 00 | b7 00 00 00 00 00 00 00"
    );
    let back = octets(|it| {
        let again = it.here();
        it.subtract(R1, 1);
        it.jump_if(Condition::NotEqual, R1, 0, again);
        it.call_local(again);
    });
    assert_eq!(
        back,
        "17 01 00 00 01 00 00 00 | 55 01 fe ff 00 00 00 00 | 85 10 00 00 fd ff ff ff"
    );
}

/// Every instruction of every kind, with these registers and numbers.
fn all_instructions() -> Vec<Instruction> {
    let widths = [Width::Bits32, Width::Bits64];
    let sizes = [Size::Byte, Size::Half, Size::Word, Size::Double];
    let numbers = [i32::MIN, -1, 0, 1, 255, 65_536, i32::MAX];
    let offsets = [i16::MIN, -1, 0, 1, i16::MAX];
    let maps = [0, 1, u32::MAX].map(Map);
    let operands: Vec<Operand> = numbers
        .map(Operand::from)
        .into_iter()
        .chain(Register::ALL.map(Operand::from))
        .collect();
    let mut all = vec![Instruction::Exit];
    all.extend(numbers.map(|helper| Instruction::Call { helper }));
    all.extend(numbers.map(|offset| Instruction::CallLocal { offset }));
    all.extend(offsets.map(|offset| Instruction::Jump { offset }));
    for to in Register::ALL {
        for width in widths {
            all.push(Instruction::Negate {
                width,
                register: to,
            });
        }
        for order in [Order::Little, Order::Big] {
            for bits in [SwapBits::Bits16, SwapBits::Bits32, SwapBits::Bits64] {
                all.push(Instruction::Swap {
                    order,
                    bits,
                    register: to,
                });
            }
        }
        for value in [0, 1, u64::MAX, 1 << 32, 0x0102_0304_0506_0708] {
            all.push(Instruction::LoadConstant { to, value });
        }
        for map in maps {
            all.push(Instruction::LoadMap { to, map });
            for offset in [0, 8, u32::MAX] {
                all.push(Instruction::LoadMapValue { to, map, offset });
            }
        }
        for &from in &operands {
            for width in widths {
                all.extend(Operation::ALL.map(|operation| Instruction::Compute {
                    width,
                    operation,
                    to,
                    from,
                }));
                for offset in offsets {
                    all.extend(Condition::ALL.map(|condition| Instruction::Branch {
                        width,
                        condition,
                        left: to,
                        right: from,
                        offset,
                    }));
                }
            }
            for offset in offsets {
                all.extend(sizes.map(|size| Instruction::Store {
                    size,
                    base: to,
                    offset,
                    value: from,
                }));
            }
        }
        for from in Register::ALL {
            for offset in offsets {
                all.extend(sizes.map(|size| Instruction::Load {
                    size,
                    to,
                    base: from,
                    offset,
                }));
                for width in widths {
                    all.extend(Atomic::ALL.map(|atomic| Instruction::Atomic {
                        width,
                        atomic,
                        base: to,
                        offset,
                        register: from,
                    }));
                }
            }
        }
    }
    all
}

#[test]
fn every_instruction_survives_its_octets_and_has_some_of_its_own() {
    let all = all_instructions();
    let mut seen = std::collections::HashMap::new();
    let mut lines = std::collections::HashMap::new();
    for instruction in all {
        let octets = instruction.encode();
        let used = &octets[..instruction.slots() * SLOT_LEN];
        assert_eq!(Instruction::decode(used), Ok(instruction));
        if let Some(other) = seen.insert(used.to_vec(), instruction) {
            panic!("{other:?} and {instruction:?} are the same octets");
        }
        if let Some(other) = lines.insert(instruction.to_string(), instruction) {
            panic!("{other:?} reads as {instruction:?}");
        }
    }
}

#[test]
fn octets_are_an_instruction_or_are_refused_and_never_another_one() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut known = 0;
    for code in 0..=u8::MAX {
        for _ in 0..2_000 {
            // Most bits zero, as in true instructions.
            let mut octets = [0; 2 * SLOT_LEN];
            octets[0] = code;
            octets[1] = (next() & next()) as u8;
            if next() % 2 == 0 {
                octets[2..4].copy_from_slice(&(next() as u16).to_le_bytes());
            }
            if next() % 2 == 0 {
                octets[4] = next() as u8;
            }
            if next() % 4 == 0 {
                octets[12..].copy_from_slice(&(next() as u32).to_le_bytes());
            }
            if let Ok(instruction) = Instruction::decode(&octets) {
                known += 1;
                let len = instruction.slots() * SLOT_LEN;
                assert_eq!(instruction.encode()[..len], octets[..len]);
                assert_eq!(
                    Instruction::decode(&octets[..len]),
                    Ok(instruction),
                    "no more than its slots"
                );
                for short in 0..len {
                    assert!(Instruction::decode(&octets[..short]).is_err());
                }
            }
        }
    }
    assert!(known > 10_000, "{known}");
}

fn assembled(write: impl FnOnce(&mut Assembler)) -> Result<Program, Error> {
    let mut program = Assembler::new();
    write(&mut program);
    program.assemble()
}

#[test]
fn what_no_kernel_takes_is_refused_with_its_place() {
    let shift = |width, from| Instruction::Compute {
        width,
        operation: Operation::ShiftLeft,
        to: R1,
        from,
    };
    for (width, constant) in [
        (Width::Bits64, 64),
        (Width::Bits32, 32),
        (Width::Bits64, -1),
    ] {
        let instruction = shift(width, Operand::Constant(constant));
        let refused = assembled(|it| {
            it.set(R0, 0);
            it.push(instruction);
            it.exit();
        });
        let slot = 1;
        assert_eq!(refused, Err(Error::Senseless { slot, instruction }));
    }
    let fine = assembled(|it| {
        it.push(shift(Width::Bits64, Operand::Constant(63)));
        it.push(shift(Width::Bits32, Operand::Constant(31)));
        it.push(shift(Width::Bits32, Operand::Register(R2)));
        it.divide(R1, R2);
        it.exit();
    });
    assert!(fine.is_ok());
    for divide in [Assembler::divide, Assembler::remainder] {
        let refused = assembled(|it| {
            divide(it, R1, 0);
            it.exit();
        });
        assert!(matches!(refused, Err(Error::Senseless { slot: 0, .. })));
    }
    type Write = fn(&mut Assembler);
    let writers: [Write; 7] = [
        |it| it.add(R10, 8),
        |it| it.load(Size::Byte, R10, R1, 0),
        |it| it.load_constant(R10, 8),
        |it| it.load_map_value(R10, Map(0), 0),
        |it| it.negate(R10),
        |it| it.to_big_endian(SwapBits::Bits16, R10),
        |it| it.atomic(Atomic::FetchAdd, R1, 0, R10),
    ];
    for write in writers {
        let refused = assembled(|it| {
            write(it);
            it.exit();
        });
        let is_it = matches!(refused, Err(Error::FramePointerWritten { slot: 0, .. }));
        assert!(is_it, "{refused:?}");
    }
}

#[test]
fn labels_are_bound_once_and_within_reach_and_before_the_end() {
    let unbound = assembled(|it| {
        let nowhere = it.label();
        it.load_constant(R0, 0);
        it.jump(nowhere);
    });
    assert_eq!(unbound, Err(Error::UnboundLabel { slot: 2 }));
    let twice = assembled(|it| {
        let label = it.here();
        it.set(R0, 0);
        it.bind(label);
        it.exit();
    });
    assert_eq!(twice, Err(Error::BoundTwice { slot: 1 }));
    for (between, is_near) in [(i16::MAX as usize, true), (i16::MAX as usize + 1, false)] {
        let far = assembled(|it| {
            let end = it.label();
            it.jump_if(Condition::Equal, R1, 0, end);
            (0..between).for_each(|_| it.set(R0, 0));
            it.bind(end);
            it.exit();
        });
        assert_eq!(far.is_ok(), is_near);
        let target = between + 1;
        let refusal = far.err();
        assert!(refusal.is_none_or(|it| it == Error::TooFar { slot: 0, target }));
    }
    let empty = assembled(|_| {});
    let open = assembled(|it| it.set(R0, 0));
    let behind = assembled(|it| {
        let end = it.label();
        it.jump(end);
        it.exit();
        it.bind(end);
    });
    for refused in [empty, open, behind] {
        assert_eq!(refused, Err(Error::NoEnd));
    }
}

#[test]
fn a_map_that_is_missing_is_named() {
    let program = assembled(|it| {
        it.load_map(R1, Map(2));
        it.exit();
    });
    let program = program.unwrap();
    assert_eq!(program.link(&[3, 4]), Err(Error::NoSuchMap(Map(2))));
    assert!(program.link(&[3, 4, 5]).is_ok());
}

#[test]
fn a_program_is_read_as_it_was_written() {
    let program = assembled(|it| {
        let end = it.label();
        it.load_map_value(R2, Map(1), 8);
        it.load(Size::Half, R3, R1, 12);
        it.to_big_endian(SwapBits::Bits16, R3);
        it.branch(Width::Bits32, Condition::NotEqual, R3, 0x0800, end);
        it.set_32(R4, R3);
        it.store(Size::Byte, R1, -1, 7);
        it.atomic(Atomic::CompareExchange, R2, 16, R4);
        it.push(Instruction::Compute {
            width: Width::Bits64,
            operation: Operation::ShiftRightSigned,
            to: R3,
            from: Operand::Constant(3),
        });
        it.bind(end);
        it.call(5);
        it.exit();
    });
    let expected = "   0: r2 = map 1 value +8
   2: r3 = *(u16 *)(r1 +12)
   3: r3 = be16 r3
   4: if w3 != 2048 goto +4
   5: w4 = w3
   6: *(u8 *)(r1 -1) = 7
   7: compare_exchange *(u64 *)(r2 +16), r4
   8: r3 s>>= 3
   9: call 5
  10: exit
";
    let program = program.unwrap();
    assert_eq!(program.to_string(), expected);
    assert_eq!(program.slots(), 11);
    assert_eq!(program.instructions().len(), 10);
}
