//! Keys one by one from the terminal, without echo, for as long as the value lives.
//!
//! It reads the terminal itself, not stdin: what is buffered there belongs to the line editor.

use std::io::{self, Read as _};

use fs_err as fs;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Character(char),
    Enter,
    Erase,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C, Ctrl-D, or a terminal that is gone.
    Interrupt,
    Other,
}

/// The terminal's keyboard.
pub(super) struct Keyboard {
    terminal: fs::File,
    saved: Termios,
}

impl Keyboard {
    /// Turns echo, lines and signals off.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = fs::File::open("/dev/tty")?;
        let saved = tcgetattr(&terminal)?;
        let mut raw = saved.clone();
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(&terminal, SetArg::TCSADRAIN, &raw)?;
        Ok(Self { terminal, saved })
    }

    /// Waits for a key.
    pub(super) fn next(&mut self) -> io::Result<Key> {
        let mut bytes = [0; 16];
        loop {
            match self.terminal.read(&mut bytes) {
                Ok(0) => return Ok(Key::Interrupt),
                Ok(count) => return Ok(key(&bytes[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // There is nobody to tell when the terminal is gone.
        tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.saved).unwrap_or_default();
    }
}

/// Control-C and control-D.
const INTERRUPT: u8 = 3;
const END_OF_INPUT: u8 = 4;

fn key(bytes: &[u8]) -> Key {
    match bytes {
        b"\r" | b"\n" => Key::Enter,
        b"\x7f" | b"\x08" => Key::Erase,
        b"\x1b[A" | b"\x1bOA" => Key::Up,
        b"\x1b[B" | b"\x1bOB" => Key::Down,
        b"\x1b[5~" => Key::PageUp,
        b"\x1b[6~" => Key::PageDown,
        b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" => Key::Home,
        b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" => Key::End,
        [INTERRUPT | END_OF_INPUT, ..] => Key::Interrupt,
        _ => match std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) {
            Some(character) if !character.is_control() => Key::Character(character),
            _ => Key::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        for (bytes, expected) in [
            ("q", Key::Character('q')),
            ("é", Key::Character('é')),
            ("\u{1b}[A", Key::Up),
            ("\u{1b}OB", Key::Down),
            ("\u{1b}[6~", Key::PageDown),
            ("\u{3}", Key::Interrupt),
            ("\r", Key::Enter),
            ("\u{1b}[99~", Key::Other),
            ("\u{1}", Key::Other),
        ] {
            assert_eq!(key(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
