//! Parquet's hybrid of runs and bit-packed numbers, in which levels and dictionary indices are written.
//!
//! ```text
//! run: varint(count << 1), the number once │ groups of eight: varint(groups << 1 | 1), each number in `width` bits, lowest first
//! ```
//! It writes only; every reader of Parquet reads it.

/// From this length on a run is shorter than its numbers packed.
const GROUP: usize = 8;

/// Appends `numbers`, each of at most `width` bits.
pub(crate) fn push_hybrid(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let mut at = 0;
    let mut packed_from = 0;
    while at < numbers.len() {
        let run = numbers[at..].iter().take_while(|number| **number == numbers[at]).count();
        // What comes before a run must be whole groups: the run gives what they lack.
        let lacking = (at - packed_from).next_multiple_of(GROUP) - (at - packed_from);
        if run >= lacking + GROUP {
            push_packed(out, &numbers[packed_from..at + lacking], width);
            push_run(out, numbers[at], run - lacking, width);
            packed_from = at + run;
        }
        at += run;
    }
    push_packed(out, &numbers[packed_from..], width);
}

fn push_run(out: &mut Vec<u8>, number: u32, count: usize, width: u32) {
    push_varint(out, count << 1);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Groups of eight, the last one filled up with zeros.
fn push_packed(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    push_varint(out, groups << 1 | 1);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut bit_count) = (0_u64, 0);
    for number in numbers {
        bits |= u64::from(*number) << bit_count;
        bit_count += width;
        if bit_count >= 32 {
            out.extend_from_slice(&bits.to_le_bytes()[..4]);
            bits >>= 32;
            bit_count -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..bit_count.div_ceil(8) as usize]);
    out.resize(end, 0);
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads back by the format's description.
    fn read(mut bytes: &[u8], count: usize, width: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let (mut header, mut shift) = (0_usize, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            if header & 1 == 0 {
                let size = width.div_ceil(8) as usize;
                let number = bytes[..size].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
                numbers.extend(std::iter::repeat_n(number, header >> 1));
                bytes = &bytes[size..];
                continue;
            }
            let size = (header >> 1) * width as usize;
            let bit = |index: usize| u32::from(bytes[index / 8] >> (index % 8) & 1);
            let number =
                |place: usize| (0..width as usize).map(|at| bit(place * width as usize + at) << at).sum::<u32>();
            numbers.extend((0..(header >> 1) * 8).map(number));
            bytes = &bytes[size..];
        }
        assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
        numbers.truncate(count);
        numbers
    }

    #[test]
    fn runs_are_short() {
        let mut out = Vec::new();
        push_hybrid(&mut out, &[5; 20_000], 3);
        assert_eq!(out, [0xc0, 0xb8, 0x02, 5]);
        out.clear();
        push_hybrid(&mut out, &[0; 9], 0);
        assert_eq!(out, [18]);
        out.clear();
        push_hybrid(&mut out, &[], 1);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            runs in prop::collection::vec((any::<u32>(), prop_oneof![1_usize..4, 1_usize..40]), 0..40),
            width in 1_u32..=32,
        ) {
            let numbers: Vec<u32> =
                runs.iter().flat_map(|(number, count)| std::iter::repeat_n(number >> (32 - width), *count)).collect();
            let mut out = Vec::new();
            push_hybrid(&mut out, &numbers, width);
            prop_assert_eq!(read(&out, numbers.len(), width), numbers);
        }
    }
}
