//! The pager for terminals where nobody chose another one: pages, lines, search; what it showed is gone when it ends.
//!
//! It holds where lines begin, not the lines: a result may be larger than memory.

use std::io::{self, Write as _};

use super::keys::{Key, Keyboard};
use super::screen_lines;
use crate::spool::Spool;
use crate::{escape, output};

/// The other screen of the terminal, and back to the first.
const ENTER_SCREEN: &str = "\u{1b}[?1049h";
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";
/// To the first place of an empty screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Shows the text until the person quits.
pub(super) fn run(text: &Spool) -> io::Result<()> {
    let mut view = View { text, starts: text.line_starts(usize::MAX)?, top: 0, found: None };
    let mut keyboard = Keyboard::open()?;
    let _screen = OtherScreen::enter()?;
    loop {
        let page = view.page()?;
        draw(&page, &view.status(page.line_count))?;
        if view.follow(keyboard.next()?, page.line_count, &mut keyboard)? == Next::Quit {
            return Ok(());
        }
    }
}

/// The screen that leaves the first one as it was.
struct OtherScreen;

impl OtherScreen {
    fn enter() -> io::Result<Self> {
        write(ENTER_SCREEN).map(|()| Self)
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        drop(write(LEAVE_SCREEN));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Key,
    Quit,
}

/// Where in the text the screen is.
struct View<'a> {
    text: &'a Spool,
    starts: Vec<u64>,
    /// The line at the top.
    top: usize,
    /// What was searched for last.
    found: Option<String>,
}

/// What the screen shows: pieces of lines, and how many whole lines they are.
struct Page {
    pieces: Vec<String>,
    line_count: usize,
}

impl View<'_> {
    /// As many lines from the top on as fit above the status line; one at least, cut where it is taller than that.
    fn page(&self) -> io::Result<Page> {
        let (width, room) = room();
        let mut page = Page { pieces: Vec::new(), line_count: 0 };
        for start in &self.starts[self.top.min(self.starts.len())..] {
            let line = self.text.line(*start)?;
            let pieces = screen_lines(&line, width);
            if page.line_count > 0 && page.pieces.len() + pieces.len() > room {
                break;
            }
            page.pieces.extend(pieces.into_iter().take(room).map(str::to_owned));
            page.line_count += 1;
        }
        Ok(page)
    }

    fn status(&self, shown: usize) -> String {
        let (total, last) = (self.starts.len(), self.top + shown);
        let keys = "space next, b back, / search, q quit";
        let place = if last >= total { "end".to_owned() } else { format!("{}%", last * 100 / total) };
        format!("lines {}-{last} of {total} ({place})  {keys}", self.top + 1)
    }

    fn follow(&mut self, key: Key, shown: usize, keyboard: &mut Keyboard) -> io::Result<Next> {
        match key {
            Key::Character(' ' | 'f') | Key::PageDown => self.forward(shown)?,
            Key::Character('b') | Key::PageUp => self.back_a_page()?,
            Key::Character('j') | Key::Down | Key::Enter => self.forward(1)?,
            Key::Character('k') | Key::Up => self.top = self.top.saturating_sub(1),
            Key::Character('g' | '<') | Key::Home => self.top = 0,
            Key::Character('G' | '>') | Key::End => self.go_to_end()?,
            Key::Character('/') => self.search(keyboard)?,
            Key::Character('n') => self.search_on()?,
            Key::Character('q' | 'Q') | Key::Interrupt => return Ok(Next::Quit),
            _ => {}
        }
        Ok(Next::Key)
    }

    /// The last page stays full, but where a search has gone past its first line.
    fn forward(&mut self, lines: usize) -> io::Result<()> {
        self.top = (self.top + lines).min(self.page_before(self.starts.len())?).max(self.top);
        Ok(())
    }

    fn back_a_page(&mut self) -> io::Result<()> {
        self.top = self.page_before(self.top)?;
        Ok(())
    }

    fn go_to_end(&mut self) -> io::Result<()> {
        self.top = self.page_before(self.starts.len())?;
        Ok(())
    }

    /// The top line of the page that ends before `line`.
    fn page_before(&self, line: usize) -> io::Result<usize> {
        let (width, room) = room();
        let (mut top, mut taken) = (line, 0);
        while top > 0 {
            taken += screen_lines(&self.text.line(self.starts[top - 1])?, width).len();
            if taken > room && top < line {
                break;
            }
            top -= 1;
        }
        Ok(top)
    }

    /// Asks for a text in the status line and goes to the next line that has it, whatever its case.
    fn search(&mut self, keyboard: &mut Keyboard) -> io::Result<()> {
        let mut wanted = String::new();
        loop {
            write(&format!("\r\u{1b}[K/{}", escape::line(&wanted)))?;
            match keyboard.next()? {
                Key::Character(character) => wanted.push(character),
                Key::Erase if !wanted.is_empty() => drop(wanted.pop()),
                Key::Enter => break,
                Key::Interrupt | Key::Erase => return Ok(()),
                _ => {}
            }
        }
        self.found = Some(wanted.to_lowercase()).filter(|wanted| !wanted.is_empty()).or(self.found.take());
        self.search_on()
    }

    fn search_on(&mut self) -> io::Result<()> {
        let Some(wanted) = &self.found else { return Ok(()) };
        for line in self.top + 1..self.starts.len() {
            if self.text.line(self.starts[line])?.to_lowercase().contains(wanted) {
                self.top = line;
                return Ok(());
            }
        }
        // A sound, as other pagers make it: nothing was found.
        write("\u{7}")
    }
}

/// Columns of the screen, and its rows above the status line.
fn room() -> (usize, usize) {
    let (width, height) = output::screen_size();
    (usize::from(width), usize::from(height).saturating_sub(1).max(1))
}

fn draw(page: &Page, status: &str) -> io::Result<()> {
    let (width, room) = room();
    let mut screen = CLEAR.to_owned();
    for piece in &page.pieces {
        screen.push_str(piece);
        screen.push_str("\r\n");
    }
    (page.pieces.len()..room).for_each(|_| screen.push_str("~\r\n"));
    let status: String = status.chars().take(width.saturating_sub(1)).collect();
    screen.push_str(&format!("\u{1b}[7m{status}\u{1b}[0m"));
    write(&screen)
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
