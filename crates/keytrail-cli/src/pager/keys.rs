//! Keys one by one from the terminal, without echo, for as long as the value lives.
//!
//! It reads the terminal itself, not stdin: what is buffered there belongs to the line editor.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;

use fs_err as fs;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::{output, signals};

/// How often a waiting keyboard looks whether the screen has another size or the process is to end, in milliseconds.
const LOOK_MS: u8 = 100;

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
    /// Ctrl-C, Ctrl-D, a terminal that is gone, or a signal that ends the process.
    Interrupt,
    /// No key: the screen has another size.
    Resize,
    Other,
}

/// The terminal's keyboard.
pub(super) struct Keyboard {
    terminal: fs::File,
    saved: Termios,
    /// What came with the last key, of a person who types fast.
    pending: Vec<u8>,
    screen_size: (u16, u16),
}

impl Keyboard {
    /// Turns echo, lines and signals off.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = fs::File::open("/dev/tty")?;
        let saved = tcgetattr(&terminal)?;
        let mut raw = saved.clone();
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(&terminal, SetArg::TCSADRAIN, &raw)?;
        Ok(Self { terminal, saved, pending: Vec::new(), screen_size: output::screen_size() })
    }

    /// Waits for a key.
    pub(super) fn next(&mut self) -> io::Result<Key> {
        while self.pending.is_empty() {
            let size = output::screen_size();
            if std::mem::replace(&mut self.screen_size, size) != size {
                return Ok(Key::Resize);
            }
            if signals::is_stopping() || (self.has_input()? && !self.read()?) {
                return Ok(Key::Interrupt);
            }
        }
        let (key, length) = key(&self.pending);
        self.pending.drain(..length);
        Ok(key)
    }

    /// Waits a moment; true when there is something to read, the end included.
    fn has_input(&self) -> io::Result<bool> {
        let mut terminal = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        match poll(&mut terminal, LOOK_MS) {
            Ok(count) => Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// False when the terminal is gone.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 256];
        loop {
            match self.terminal.read(&mut bytes) {
                Ok(count) => {
                    self.pending.extend_from_slice(&bytes[..count]);
                    return Ok(count > 0);
                }
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

/// What terminals send for keys that are no characters; Ctrl-C and Ctrl-D are among them.
const SEQUENCES: [(&[u8], Key); 18] = [
    (b"\x03", Key::Interrupt),
    (b"\x04", Key::Interrupt),
    (b"\r", Key::Enter),
    (b"\n", Key::Enter),
    (b"\x7f", Key::Erase),
    (b"\x08", Key::Erase),
    (b"\x1b[A", Key::Up),
    (b"\x1bOA", Key::Up),
    (b"\x1b[B", Key::Down),
    (b"\x1bOB", Key::Down),
    (b"\x1b[5~", Key::PageUp),
    (b"\x1b[6~", Key::PageDown),
    (b"\x1b[H", Key::Home),
    (b"\x1bOH", Key::Home),
    (b"\x1b[1~", Key::Home),
    (b"\x1b[F", Key::End),
    (b"\x1bOF", Key::End),
    (b"\x1b[4~", Key::End),
];

/// The first key of some bytes, and how many of them it takes; a sequence that is not known takes all.
fn key(bytes: &[u8]) -> (Key, usize) {
    if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
        return (*key, sequence.len());
    }
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    match text.chars().next() {
        Some('\u{1b}') | None => (Key::Other, bytes.len()),
        Some(character) if character.is_control() => (Key::Other, character.len_utf8()),
        Some(character) => (Key::Character(character), character.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        let (mut bytes, mut keys) = (text.as_bytes(), Vec::new());
        while !bytes.is_empty() {
            let (key, length) = key(bytes);
            keys.push(key);
            bytes = &bytes[length..];
        }
        keys
    }

    #[test]
    fn keys_are_told_apart() {
        for (text, expected) in [
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
            assert_eq!(keys(text), [expected], "{text:?}");
        }
        assert_eq!(key(b"\xff"), (Key::Other, 1));
    }

    #[test]
    fn keys_that_come_at_once_are_not_lost() {
        let expected = [Key::Character('/'), Key::Character('é'), Key::Enter, Key::Down, Key::Character('q')];
        assert_eq!(keys("/é\r\u{1b}[Bq"), expected);
    }
}
