//! The assembler's instructions do in the kernel what their names say.

use std::sync::atomic::Ordering;
use timeball::transport::bpf::{BpfError, SharedMap, XdpProgram};
use timeball_ebpf::register::*;
use timeball_ebpf::{
    Assembler, Atomic, Condition, Instruction, Map, Operation, Order, Size, SwapBits, Width,
};

const FRAME: [u8; 60] = [0; 60];
const PAIRS: [(u64, u64); 9] = [
    (0, 0),
    (1, 0),
    (0, 1),
    (7, 3),
    (u64::MAX, 1),
    (1 << 63, u64::MAX),
    (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210),
    (0xffff_ffff, 0x1_0000_0000),
    (0x8000_0000, 0x7fff_ffff),
];

/// What a program leaves in a map of so many words that it begins with.
fn run(words: &[u64], write: impl FnOnce(&mut Assembler)) -> Vec<u64> {
    let map = SharedMap::new("words", words.len(), 1).expect("root may make a map");
    for (word, value) in map.words().iter().zip(words) {
        word.store(*value, Ordering::Relaxed);
    }
    let mut program = Assembler::new();
    write(&mut program);
    program.set(R0, 2);
    program.exit();
    let program = program.assemble().unwrap();
    let loaded = XdpProgram::load("try", &program, &[&map], c"MIT")
        .unwrap_or_else(|error| panic!("{error}\n{program}"));
    let run = loaded.test_run(&FRAME, 1, &mut [0; 128]).unwrap();
    assert_eq!((run.returned, run.len), (2, FRAME.len()));
    let left = map.words().iter();
    left.map(|word| word.load(Ordering::Relaxed)).collect()
}

/// What each of `writes` leaves in R2 of what is in R2 and R3.
fn results(writes: &[&dyn Fn(&mut Assembler)], (left, right): (u64, u64)) -> Vec<u64> {
    run(&vec![0; writes.len()], |program| {
        for (index, write) in (0..).zip(writes) {
            program.load_constant(R2, left);
            program.load_constant(R3, right);
            write(program);
            program.load_map_value(R4, Map(0), 8 * index);
            program.store(Size::Double, R4, 0, R2);
        }
    })
}

fn computed(width: Width, operation: Operation, left: u64, right: u64) -> u64 {
    if width == Width::Bits32 {
        let signed = left as i32;
        let (left, right) = (left as u32, right as u32);
        let result = match operation {
            Operation::Add => left.wrapping_add(right),
            Operation::Subtract => left.wrapping_sub(right),
            Operation::Multiply => left.wrapping_mul(right),
            Operation::Divide => left.checked_div(right).unwrap_or(0),
            Operation::Or => left | right,
            Operation::And => left & right,
            Operation::ShiftLeft => left << (right % 32),
            Operation::ShiftRight => left >> (right % 32),
            Operation::Remainder => left.checked_rem(right).unwrap_or(left),
            Operation::ExclusiveOr => left ^ right,
            Operation::Set => right,
            Operation::ShiftRightSigned => (signed >> (right % 32)) as u32,
        };
        return u64::from(result);
    }
    match operation {
        Operation::Add => left.wrapping_add(right),
        Operation::Subtract => left.wrapping_sub(right),
        Operation::Multiply => left.wrapping_mul(right),
        Operation::Divide => left.checked_div(right).unwrap_or(0),
        Operation::Or => left | right,
        Operation::And => left & right,
        Operation::ShiftLeft => left << (right % 64),
        Operation::ShiftRight => left >> (right % 64),
        Operation::Remainder => left.checked_rem(right).unwrap_or(left),
        Operation::ExclusiveOr => left ^ right,
        Operation::Set => right,
        Operation::ShiftRightSigned => ((left as i64) >> (right % 64)) as u64,
    }
}

#[test]
fn the_kernel_computes_what_the_operations_say() {
    for pair in PAIRS {
        for width in [Width::Bits32, Width::Bits64] {
            let operations = Operation::ALL.map(|operation| {
                move |program: &mut Assembler| {
                    // A shift takes the lower bits of its distance.
                    program.compute(width, operation, R2, R3);
                }
            });
            let writes: Vec<&dyn Fn(&mut Assembler)> =
                operations.iter().map(|it| it as _).collect();
            for (operation, result) in Operation::ALL.iter().zip(results(&writes, pair)) {
                let expected = computed(width, *operation, pair.0, pair.1);
                assert_eq!(result, expected, "{operation:?} {width:?} {pair:x?}");
            }
        }
    }
}

fn holds(width: Width, condition: Condition, left: u64, right: u64) -> bool {
    let (left, right) = match width {
        Width::Bits64 => (left, right),
        // As a signed number of 64 bits it has the order that it has of 32.
        Width::Bits32 => (left as i32 as u64, right as i32 as u64),
    };
    let (left_signed, right_signed) = (left as i64, right as i64);
    match condition {
        Condition::Equal => left == right,
        Condition::NotEqual => left != right,
        Condition::Above => left > right,
        Condition::AtLeast => left >= right,
        Condition::Below => left < right,
        Condition::AtMost => left <= right,
        Condition::AnyBit => left & right != 0,
        Condition::AboveSigned => left_signed > right_signed,
        Condition::AtLeastSigned => left_signed >= right_signed,
        Condition::BelowSigned => left_signed < right_signed,
        Condition::AtMostSigned => left_signed <= right_signed,
    }
}

#[test]
fn the_kernel_branches_when_the_conditions_say() {
    for pair in PAIRS {
        for width in [Width::Bits32, Width::Bits64] {
            let conditions = Condition::ALL.map(|condition| {
                move |program: &mut Assembler| {
                    let (taken, end) = (program.label(), program.label());
                    program.branch(width, condition, R2, R3, taken);
                    program.set(R2, 0);
                    program.jump(end);
                    program.bind(taken);
                    program.set(R2, 1);
                    program.bind(end);
                }
            });
            let writes: Vec<&dyn Fn(&mut Assembler)> =
                conditions.iter().map(|it| it as _).collect();
            for (condition, result) in Condition::ALL.iter().zip(results(&writes, pair)) {
                let expected = holds(width, *condition, pair.0, pair.1);
                assert_eq!(result == 1, expected, "{condition:?} {width:?} {pair:x?}");
            }
        }
    }
}

#[test]
fn the_kernel_swaps_negates_loads_and_stores_as_the_names_say() {
    let value = 0x0123_4567_89ab_cdef_u64;
    let left = run(&[value, 0, 0, 0, 0, 0, 0, 0, 0, 0], |program| {
        program.load_map_value(R6, Map(0), 0);
        for (place, bits) in [
            (8, SwapBits::Bits16),
            (16, SwapBits::Bits32),
            (24, SwapBits::Bits64),
        ] {
            program.load(Size::Double, R2, R6, 0);
            program.to_big_endian(bits, R2);
            program.store(Size::Double, R6, place, R2);
        }
        program.load(Size::Double, R2, R6, 0);
        program.push(Instruction::Swap {
            order: Order::Little,
            bits: SwapBits::Bits32,
            register: R2,
        });
        program.negate(R2);
        program.store(Size::Double, R6, 32, R2);
        program.load(Size::Byte, R2, R6, 1);
        program.load(Size::Half, R3, R6, 2);
        program.load(Size::Word, R4, R6, 4);
        program.store(Size::Byte, R6, 40, R2);
        program.store(Size::Half, R6, 48, R3);
        program.store(Size::Word, R6, 56, R4);
        program.store(Size::Double, R6, 64, -2);
        program.store(Size::Half, R6, 72, 0x1234);
    });
    let expected = [
        value,
        u64::from((value as u16).swap_bytes()),
        u64::from((value as u32).swap_bytes()),
        value.swap_bytes(),
        (value & 0xffff_ffff).wrapping_neg(),
        0xcd,
        0x89ab,
        0x0123_4567,
        u64::MAX - 1,
        0x1234,
    ];
    assert_eq!(left, expected, "{left:x?}");
}

#[test]
fn the_kernel_changes_memory_at_once_as_the_names_say() {
    for (atomic, expected) in [
        (Atomic::Add, (11, 4)),
        (Atomic::FetchAdd, (11, 7)),
        (Atomic::Or, (7, 4)),
        (Atomic::FetchOr, (7, 7)),
        (Atomic::And, (4, 4)),
        (Atomic::FetchAnd, (4, 7)),
        (Atomic::ExclusiveOr, (3, 4)),
        (Atomic::FetchExclusiveOr, (3, 7)),
        (Atomic::Exchange, (4, 7)),
    ] {
        let left = run(&[7, 0], |program| {
            program.load_map_value(R6, Map(0), 0);
            program.set(R2, 4);
            program.atomic(atomic, R6, 0, R2);
            program.store(Size::Double, R6, 8, R2);
        });
        assert_eq!((left[0], left[1]), expected, "{atomic:?}");
    }
    for (compared, expected) in [(7, [9, 7]), (8, [7, 7])] {
        let left = run(&[7, 0], |program| {
            program.load_map_value(R6, Map(0), 0);
            program.set(R0, compared);
            program.set(R2, 9);
            program.atomic(Atomic::CompareExchange, R6, 0, R2);
            program.store(Size::Double, R6, 8, R0);
        });
        assert_eq!(left, expected, "compared with {compared}");
    }
}

#[test]
fn a_local_function_is_called_with_its_arguments_and_returns() {
    let left = run(&[0, 0], |program| {
        let double = program.label();
        for (place, argument) in [(0, 21), (8, 4)] {
            program.load_map_value(R2, Map(0), place);
            program.set(R1, argument);
            program.call_local(double);
        }
        program.exit(); // with what the function returned: 2
        program.bind(double);
        program.add(R1, R1);
        program.store(Size::Double, R2, 0, R1);
    });
    assert_eq!(left, [42, 8]);
}

#[test]
fn what_the_verifier_refuses_is_told_in_its_words() {
    let mut program = Assembler::new();
    program.load(Size::Double, R0, R9, 0);
    program.exit();
    let refused = XdpProgram::load("bad", &program.assemble().unwrap(), &[], c"MIT").err();
    let text = refused.expect("R9 was never written").to_string();
    assert!(text.contains("R9 !read_ok"), "{text}");
}

#[test]
fn a_map_keeps_its_values_apart_and_is_shared_both_ways() {
    let map = SharedMap::new("apart", 8, 3).unwrap();
    assert_eq!(map.words().len(), 24);
    for (word, value) in map.words().iter().zip(100..) {
        assert_eq!(word.load(Ordering::Relaxed), 0);
        word.store(value, Ordering::Relaxed);
    }
    let mut program = Assembler::new();
    let missing = program.label();
    // bpf_map_lookup_elem of each, and one more.
    for index in 0..4 {
        program.store(Size::Word, R10, -4, index);
        program.load_map(R1, Map(0));
        program.set(R2, R10);
        program.add(R2, -4);
        program.call(1);
        program.jump_if(Condition::Equal, R0, 0, missing);
        program.load(Size::Double, R1, R0, 8);
        program.multiply(R1, 2);
        program.store(Size::Double, R0, 56, R1);
    }
    program.bind(missing);
    program.set(R0, 1);
    program.exit();
    let program = program.assemble().unwrap();
    let loaded = XdpProgram::load("apart", &program, &[&map], c"MIT").unwrap();
    assert_eq!(
        loaded.test_run(&FRAME, 1, &mut [0; 128]).unwrap().returned,
        1
    );
    let left: Vec<u64> = map
        .words()
        .iter()
        .map(|it| it.load(Ordering::Relaxed))
        .collect();
    for value in 0..3 {
        let first = 100 + 8 * value as u64;
        assert_eq!(left[8 * value], first);
        assert_eq!(left[8 * value + 7], 2 * (first + 1));
    }
}

#[test]
fn a_room_that_is_too_short_is_an_error_and_no_frame() {
    let mut program = Assembler::new();
    program.set(R0, 2);
    program.exit();
    let loaded = XdpProgram::load("pass", &program.assemble().unwrap(), &[], c"MIT").unwrap();
    let refused = loaded.test_run(&FRAME, 1, &mut [0; 59]);
    assert!(
        matches!(refused, Err(BpfError::Other { .. })),
        "{refused:?}"
    );
}
